"""Latched stops: why motion is stopped until somebody re-arms it."""

MAX_REASONS = 8  # reasons of one stop that are kept: the first ones, and an e-stop always
E_STOP = "e-stop"  # how the reason of an emergency stop begins


class Stops:
    """The stop that holds.

    Attributes:
        reasons: why motion is stopped, in order; empty: it is not.
        latch: number of the newest stop, or of the newest e-stop of a stopped motion; 0: there was none.
    """

    def __init__(self):
        self.reasons: list[str] = []
        self.latch = 0

    def add(self, reason: str) -> bool:
        """Stops for `reason`. Returns whether that is new."""
        self.latch += not self.reasons
        if reason in self.reasons:
            return False
        if len(self.reasons) == MAX_REASONS and reason.startswith(E_STOP):
            self.reasons.pop()
        if len(self.reasons) < MAX_REASONS:
            self.reasons.append(reason)
        return True

    def renumber(self) -> None:
        """An e-stop comes: who has seen the stops before has not seen this one."""
        self.latch += bool(self.reasons)

    def clear(self) -> None:
        """Nothing is stopped any more."""
        self.reasons = []
