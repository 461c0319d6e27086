"""How a camera's stream does: its rate, frames lost, pictures that are dark or stand still."""

from collections import deque
from dataclasses import dataclass

from vipa.robot.captures import StillCheck, dark_fault
from vipa.robot.state import CameraFrame

WINDOW_CAPTURES = 60  # captures that the rate is taken over
MIN_RATE_SHARE = 0.8  # of the rate that was asked for: less is named


@dataclass(frozen=True)
class Health:
    """faults: what is wrong, each in one line; none: all is well. rate: Hz (0 until it is known). lost: frames since the start."""

    faults: tuple[str, ...]
    rate: float
    lost: int


class StreamHealth:
    """Of the camera `name` that is to deliver `rate` captures a second. One thread; captures in order of time."""

    def __init__(self, name: str, rate: float, still_ok: bool = False):
        self.name, self.rate, self.lost = name, rate, 0
        self._stamps: deque[int] = deque(maxlen=WINDOW_CAPTURES)
        self._numbers: tuple[int, ...] | None = None
        self._still, self._stands, self._dark = StillCheck(still_ok), "", ""

    def take(self, frame: CameraFrame, numbers: tuple[int, ...]) -> None:
        """A capture has come. numbers: the counters of its frames: what they leave out was lost on the way."""
        if self._numbers is not None:
            self.lost += max(max(new - old - 1, 0) for new, old in zip(numbers, self._numbers, strict=True))
        self._numbers = numbers
        if self._stamps and frame.stamp_ns <= self._stamps[-1]:
            self._stamps.clear()
        self._stamps.append(frame.stamp_ns)
        self._dark = dark_fault(frame.color)
        self._stands = self._still.fault(frame)

    def restarted(self) -> None:
        """The camera was opened anew: its counters begin again."""
        self._numbers = None
        self._stamps.clear()

    def health(self) -> Health:
        """As of the last capture."""
        rate = 0.0
        if len(self._stamps) > 1:
            rate = (len(self._stamps) - 1) / ((self._stamps[-1] - self._stamps[0]) / 1e9)
        faults = []
        if len(self._stamps) == WINDOW_CAPTURES and rate < MIN_RATE_SHARE * self.rate:
            faults.append(
                f"camera {self.name}: {rate:.1f} Hz; allowed: {MIN_RATE_SHARE * self.rate:g} or more of {self.rate:g}"
            )
        if self._dark:
            faults.append(f"camera {self.name}: {self._dark}")
        if self._stands:
            faults.append(self._stands)
        return Health(tuple(faults), rate, self.lost)
