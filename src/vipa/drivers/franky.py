"""Franka arms that our own node `franky` runs: what it says of each, together."""

from collections.abc import Sequence

from vipa.drivers.driver import DriverState

STATE_TIMEOUT_S = 0.5  # seconds, monotonic: node `franky` speaks ten times a second
RECOVER = "recover"


class Franky:
    """heard: arm to what was said of it last, and the local clock's seconds of that. now: seconds. Ready when all arms are."""

    def __init__(self, arms: Sequence[str]):
        self.arms = tuple(arms)
        self.heard: dict[str, tuple[DriverState, float]] = {}
        self.now = 0.0

    def state(self) -> DriverState:
        states = {arm: self._of(arm) for arm in self.arms}
        faulty = {arm: state for arm, state in states.items() if not state.ready}
        if not faulty:
            return next(iter(states.values()))
        first = next(iter(faulty.values()))
        message = "; ".join(f"{arm}: {state.message}" for arm, state in faulty.items())
        return DriverState(False, any(state.estop for state in faulty.values()), first.mode, message)

    def recovery(self) -> str:
        """Asked of every arm that speaks and is not ready: what can't be recovered from says so itself."""
        return RECOVER if self.stopped() else ""

    def stopped(self) -> list[str]:
        """Arms that speak, and are neither ready nor stopped by hand."""
        return [
            arm
            for arm in self.arms
            if arm in self.heard and self._speaks(arm) and not (s := self.heard[arm][0]).ready and not s.estop
        ]

    def _of(self, arm: str) -> DriverState:
        if not self._speaks(arm):
            return DriverState(False, False, "silent", "no state of the arm: does node franky run?")
        return self.heard[arm][0]

    def _speaks(self, arm: str) -> bool:
        return arm in self.heard and self.now - self.heard[arm][1] <= STATE_TIMEOUT_S
