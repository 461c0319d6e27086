"""Track: the way that one group was told to go, knot by knot, a little ahead of now and never faster than allowed."""

from collections import deque

import numpy as np

DT_S = 0.02  # seconds between knots
DT_NS = round(DT_S * 1e9)
AHEAD_NS = 40_000_000  # ns that the track reaches ahead of now: what the arm still does when nothing more is said
FORGOTTEN_NS = 100_000_000  # ns that a knot is kept after it was due


class Track:
    """Knots (stamp in ns, value) on a grid of DT_S. A value is a pose (7,) or joints (J,).

    Nothing that was sent is taken back: a track only grows, so that what was let go of ends where it was told last.
    """

    def __init__(self):
        self._knots: deque[tuple[int, np.ndarray]] = deque()

    @property
    def end(self) -> np.ndarray | None:
        """Where it leads; None: it has not begun."""
        return self._knots[-1][1] if self._knots else None

    def clear(self) -> None:
        """Forgets the way. The next begins elsewhere."""
        self._knots.clear()

    def begin(self, now_ns: int, value: np.ndarray) -> None:
        """It starts at `value` now."""
        self.clear()
        self._knots.append((now_ns, np.array(value, float)))

    def extend(self, now_ns: int, advance) -> bool:
        """Grows to AHEAD_NS ahead of `now_ns` by advance(value) → the value DT_S later. Whether it grew."""
        if self._knots[-1][0] < now_ns:  # nothing was asked for a while: it has stood at its end since
            self._knots.append((now_ns, self._knots[-1][1]))
        grew = False
        while self._knots[-1][0] < now_ns + AHEAD_NS:
            stamp, value = self._knots[-1]
            self._knots.append((stamp + DT_NS, advance(value)))
            grew = True
        while self._knots[0][0] < now_ns - FORGOTTEN_NS and len(self._knots) > 2:
            self._knots.popleft()
        return grew

    def steps(self, now_ns: int) -> tuple[int, np.ndarray]:
        """Start in ns and values (T, …), DT_S apart, of what is still to come."""
        last = self._knots[-1][0]
        ahead = [value for stamp, value in self._knots if stamp >= now_ns - DT_NS and (last - stamp) % DT_NS == 0]
        return last - DT_NS * (len(ahead) - 1), np.array(ahead)


def braking(off: np.ndarray, most: np.ndarray, acceleration: np.ndarray) -> np.ndarray:
    """The displacement of the next knot on a way `off` (6,) that is still to go, metres and a rotation vector: along it, at most
    `most` (2,) metres and radians long, and no longer than what `acceleration` (2,) m/s² and rad/s² can still stop."""
    share = 1.0
    for size, limit, rate in zip((np.linalg.norm(off[:3]), np.linalg.norm(off[3:])), most, acceleration):
        limit = min(limit, DT_S * np.sqrt(rate * size))  # half of what would stop it at the goal
        share = min(share, limit / size if size > max(limit, 1e-9) else 1.0)
    return share * off


def eased(by: np.ndarray, before: np.ndarray, acceleration: np.ndarray) -> np.ndarray:
    """The displacement `by` (6,) of a knot, no further from that of the knot `before` (6,) than `acceleration` (2,) allows."""
    out = np.array(by, float)
    for part, rate in ((slice(0, 3), acceleration[0]), (slice(3, 6), acceleration[1])):
        change, most = by[part] - before[part], rate * DT_S * DT_S
        size = float(np.linalg.norm(change))
        out[part] = before[part] + change * (min(1.0, most / size) if size else 0.0)
    return out
