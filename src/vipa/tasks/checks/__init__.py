"""Sub-task checks by name. `build` makes the check of a sub-task and refuses what a task file may not say."""

import dataclasses

from vipa import config
from vipa.errors import VipaError, unknown
from vipa.tasks.checks.aims_at import AimsAt
from vipa.tasks.checks.aligned import Aligned
from vipa.tasks.checks.base import Check, CheckResult, CheckState, CheckStatus, held, touching
from vipa.tasks.checks.ink_below import InkBelow
from vipa.tasks.checks.inserted import Inserted
from vipa.tasks.checks.inside import Inside
from vipa.tasks.checks.joint import JointBeyond, PressedBeyond
from vipa.tasks.checks.lifted import Lifted
from vipa.tasks.checks.operator import OperatorCheck
from vipa.tasks.checks.steadied import Steadied
from vipa.tasks.checks.vision import InkBelowSeen, InsideSeen, JointBeyondSeen, VisionCheck

REGISTRY: dict[str, type[Check]] = {
    check.name: check
    for check in (AimsAt, Aligned, InkBelow, Inserted, Inside, JointBeyond, Lifted, PressedBeyond, Steadied)
}
SEEN: dict[str, type[VisionCheck]] = {check.name: check for check in (InkBelowSeen, InsideSeen, JointBeyondSeen)}

__all__ = ["REGISTRY", "Check", "CheckResult", "CheckState", "CheckStatus", "build", "held", "touching"]


def build(subtask, where: str) -> Check:
    """The check of `subtask` (a vipa.tasks.task.SubTask). `where`: the task file, for messages.

    Raises VipaError for an unknown check, unknown, missing or ill-typed parameters, and a missing evidence source.
    """
    place = f"{where}: sub-task '{subtask.name}'"
    if subtask.check not in REGISTRY:
        raise VipaError(f"{place}: {unknown('check', subtask.check, REGISTRY)}")
    kind = REGISTRY[subtask.check]
    try:
        params = config.build(subtask.params, kind.Params, f"{place}: params")
    except VipaError as error:
        allowed = ", ".join(field.name for field in dataclasses.fields(kind.Params))
        raise VipaError(f"{error} (check '{subtask.check}' takes: {allowed})") from None
    sight = None
    if subtask.vision or subtask.evidence == "vision":
        sees = SEEN[subtask.check].Sees if subtask.check in SEEN else dict
        sight = config.build(subtask.vision, sees, f"{place}: vision")
    if subtask.evidence == "operator":
        return OperatorCheck(subtask.name, place)
    if subtask.evidence == "vision":
        if subtask.check not in SEEN:
            raise VipaError(
                f"{place}: evidence: check '{subtask.check}' has no 'vision' source; allowed: operator, sim"
            )
        return SEEN[subtask.check](params, sight, subtask.name, place)
    return kind(params, place)
