"""The verdict of a trial from its scorecard: whose doing its end was."""

from vipa.evaluation.trial_file import Verdict
from vipa.tasks.scorecard import Scorecard

ENDED = {"success": "success", "failure": "failure", "timeout": "out_of_time"}
SAFETY = "safety stop"
COMMANDER = "commander"  # failure type of an episode whose commander fell silent or crashed
COMMANDER_NODES = ("expert", "policy", "teleop")


def verdict_of(card: Scorecard) -> Verdict | None:
    """What the episode of `card` says of its commander: success, failure, out_of_time or safety, all of which it has earned; system: the
    cell is to blame. None: a person ended it, it is no trial."""
    if card.outcome in ENDED:
        return ENDED[card.outcome]
    if card.outcome == "stopped":
        return "safety" if card.failure is not None and card.failure.type == SAFETY else None
    return "failure" if commander_error(card) else "system"


def commander_error(card: Scorecard) -> str:
    """What went wrong with the commander itself: it fell silent, crashed, or its process died. "": nothing of that."""
    kind, detail = (card.failure.type, card.failure.detail) if card.failure else ("", "")
    died = kind == "node" and any(f"'{name}' died" in detail for name in COMMANDER_NODES)
    return detail if kind == COMMANDER or died else ""


def failure_class(card: Scorecard) -> str | None:
    """Why the trial failed, None for a success: the scorecard's own class, else how it ended and in which sub-task."""
    if card.success:
        return None
    if card.failure_class:
        return card.failure_class
    return card.failure.type if card.failure else card.outcome
