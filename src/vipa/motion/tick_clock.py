"""TickClock: when a control step is due, how long the last one was ago, how far off the next is, and whether a clock broke off."""

from collections import deque
from dataclasses import dataclass
from statistics import median

JOINT_STATE_TIMEOUT_S = 1.0  # seconds, monotonic, without joint states, after which motion holds
CLOCK_JUMP_S = 1.0  # seconds of ROS time between joint states that count as a jump
MEDIAN_GAPS = 11  # gaps between joint states whose median counts
SAME_SHARE = 0.05  # share by which it may change before the steps are planned for another period
MIN_RATE_HZ = 27.0  # Hz, the slowest joint states that motion follows: 30, and what a driver may lack of it
EARLY_SHARE = 0.2  # share of the period that a state may come before its tick is due


@dataclass(frozen=True)
class Due:
    """A control step is due. elapsed: seconds since the last. broken: '' or which clock broke off, so that motion must hold.
    jumped: ROS time is another one now."""

    elapsed: float
    broken: str = ""
    jumped: bool = False


class TickClock:
    """Decimates joint states to the control rate by their stamps. stamp_ns, monotonic: of the last control step.

    dt: seconds until the next step: a period of the control rate, or of the joint states where they come more slowly. rate: Hz of
    the joint states, by their stamps; 0 before it is known.
    """

    def __init__(self, dt: float):
        self.dt = self._period = dt
        self.rate = 0.0
        self.stamp_ns, self.monotonic = 0, 0.0
        self._seen_ns = self._due_ns = 0
        self._started = False
        self._steps: deque[float] = deque(maxlen=MEDIAN_GAPS)
        self._gaps: deque[float] = deque(maxlen=MEDIAN_GAPS)

    def take(self, stamp_ns: int, monotonic: float) -> Due | None:
        """A joint state of `stamp_ns` came at `monotonic` seconds of the local clock. None: no step is due."""
        gap, since = (stamp_ns - self.stamp_ns) / 1e9, monotonic - self.monotonic
        step, self._seen_ns = (stamp_ns - self._seen_ns) / 1e9, stamp_ns
        if self._started and 0 < step < CLOCK_JUMP_S:
            self._steps.append(step)
        if not self._started:
            self._started, due = True, Due(0.0)
        elif step < 0 or gap >= CLOCK_JUMP_S:
            due = Due(max(since, 0.0), f"ROS time jumped by {step:.3f} s", True)
        elif step == 0 or stamp_ns < self._due_ns - EARLY_SHARE * 1e9 * self._period:
            return None  # the same state again, or not yet time
        else:
            due = Due(gap, f"no joint states for {since:.2f} s" if since > JOINT_STATE_TIMEOUT_S else "")
            self._gaps.append(gap)
            self._measure()
        period = round(1e9 * self._period)
        late = abs(stamp_ns - self._due_ns) > period
        self._due_ns = (stamp_ns if late else self._due_ns) + period
        self.stamp_ns, self.monotonic = stamp_ns, monotonic
        return due

    def _measure(self) -> None:
        """What the last MEDIAN_GAPS gaps say of the next. Single ones that are late change nothing."""
        if len(self._gaps) < MEDIAN_GAPS:
            return
        self.rate = 1.0 / median(self._steps)
        gap = max(median(self._gaps), self._period)
        if abs(gap - self.dt) > SAME_SHARE * self.dt:
            self.dt = gap if gap > (1 + SAME_SHARE) * self._period else self._period

    @property
    def slow(self) -> str:
        """'' or that joint states come too slowly to be followed."""
        if not 0 < self.rate < MIN_RATE_HZ:
            return ""
        return f"joint states come at {self.rate:.1f} Hz; allowed: 30 or more"
