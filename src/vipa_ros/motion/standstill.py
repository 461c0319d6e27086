"""Standstill: notices a joint that stands still although it is commanded to move: its controller is dead, or something holds it."""

from collections import deque

import numpy as np

LATE = 0.12    # seconds after which a command must have begun to show: arms that lag by 80 + 30 ms have gone six tenths of the way
ASKED = 0.02   # radians that a joint is commanded to go, and is behind, for it to count
SHARE = 0.1    # of the way, that a joint which follows has gone


class Standstill:
    """One robot's joints. names (n): of the joints."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names
        self.reset()

    def reset(self) -> None:
        """Begin anew: what was commanded before says nothing."""
        self._seen: deque[tuple[float, np.ndarray]] = deque()
        self._from: tuple[np.ndarray, np.ndarray] | None = None  # commanded, measured, when each joint was last seen to follow

    def take(self, time: float, commanded: np.ndarray, measured: np.ndarray) -> str:
        """'' or what stands still. time: seconds; commanded, measured: joints (n,) rad."""
        self._seen.append((time, commanded))
        while len(self._seen) > 1 and time - self._seen[1][0] >= LATE - 1e-9:
            self._seen.popleft()
        since, asked = self._seen[0]
        if self._from is None:
            self._from = commanded.copy(), measured.copy()
        if time - since < LATE - 1e-9:
            return ""
        begin, was = self._from
        way, gone, left = asked - begin, measured - was, np.abs(commanded - measured)
        follows = np.sign(way) * gone >= SHARE * np.abs(way)
        begin[follows], was[follows] = asked[follows], measured[follows]
        stands = ~follows & (np.abs(way) > ASKED) & (left > ASKED)
        if not stands.any():
            return ""
        joint = int(np.argmax(np.where(stands, left, 0.0)))
        return f"{self.names[joint]} stands still: {left[joint]:.3f} rad from its command"
