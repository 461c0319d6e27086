"""TickClock: when a control step is due, how long the last one was ago, and whether a clock broke off."""

from dataclasses import dataclass

LIVENESS = 1.0     # seconds, monotonic, without joint states, after which motion holds
CLOCK_JUMP = 1.0   # seconds of ROS time between joint states that count as a jump
EARLY = 0.2        # share of the period that a state may come before its tick is due


@dataclass(frozen=True)
class Due:
    """A control step is due. elapsed: seconds since the last. broken: '' or which clock broke off, so that motion must hold.
    jumped: ROS time is another one now."""

    elapsed: float
    broken: str = ""
    jumped: bool = False


class TickClock:
    """Decimates joint states to the control rate by their stamps. stamp_ns, monotonic: of the last control step."""

    def __init__(self, dt: float):
        self.dt = dt
        self.stamp_ns, self.monotonic = 0, 0.0
        self._seen_ns = self._due_ns = 0
        self._started = False

    def take(self, stamp_ns: int, monotonic: float) -> Due | None:
        """A joint state of `stamp_ns` came at `monotonic` seconds of the local clock. None: no step is due."""
        gap, since = (stamp_ns - self.stamp_ns) / 1e9, monotonic - self.monotonic
        step, self._seen_ns = (stamp_ns - self._seen_ns) / 1e9, stamp_ns
        if not self._started:
            self._started, due = True, Due(0.0)
        elif step < 0 or gap >= CLOCK_JUMP:
            due = Due(max(since, 0.0), f"ROS time jumped by {step:.3f} s", True)
        elif step == 0 or stamp_ns < self._due_ns - EARLY * 1e9 * self.dt:
            return None  # the same state again, or not yet time
        else:
            due = Due(gap, f"no joint states for {since:.2f} s" if since > LIVENESS else "")
        period = round(1e9 * self.dt)
        late = abs(stamp_ns - self._due_ns) > period
        self._due_ns = (stamp_ns if late else self._due_ns) + period
        self.stamp_ns, self.monotonic = stamp_ns, monotonic
        return due
