"""Faults that every trial of a set would meet, noticed before all of them have."""

from vipa.evaluation.trial_file import TrialRow
from vipa.evaluation.verdicts import commander_error
from vipa.tasks.scorecard import Scorecard

MAX_LIKE_FAULTS = 2  # in a row that say the same: every other trial would meet it, too


class LikeFaults:
    """Faults of the cell, trial by trial, and errors of each commander, in its own trials: each in a row that says the same."""

    def __init__(self):
        self._met: dict[str, tuple[str, int]] = {}  # whose ("": the cell's) → what it was, how often in a row

    def meet(self, row: TrialRow, card: Scorecard | None, fault: str = "") -> str:
        """Why the set is to end here, in one line; "": it goes on. card: of the trial, None: it has none. fault: how the cell broke, or of a
        trial without a scorecard what the commander erred in."""
        if row.verdict == "system":
            return self._count("", fault or row.failure_class or "")
        self._count("", "")  # the cell was well
        erred = commander_error(card) if card is not None else fault
        return self._count(row.commander, erred, f"of commander {row.commander} ")

    def _count(self, whose: str, words: str, of: str = "") -> str:
        before, times = self._met.get(whose, ("", 0))
        self._met[whose] = words, times = words, times + 1 if words == before else 1
        if not words or times < MAX_LIKE_FAULTS:
            return ""
        return f"two trials {of}in a row met the same fault, as every other would: {words}"
