"""Standstill: notices a joint that stands still where nobody wants it: its controller is dead, or something holds it.

A joint that follows late is where it was commanded to be within the last WINDOW_S, or on the way there. One that is held up where
its command rests sags; one that stands while its command goes on is what this is about.
"""

from collections import deque

import numpy as np

WINDOW_S = 0.15  # seconds
# radians from everything that was commanded within the window, and that the command has gone since it stands
AWAY_RAD = 0.02
MOVED_RAD = 0.005  # radians, up to which a joint stands


class Standstill:
    """One robot's joints. names (n): of the joints."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names
        self.reset()

    def reset(self) -> None:
        """Begin anew: what was commanded before says nothing."""
        self._seen: deque[tuple[float, np.ndarray]] = deque()
        self._stands: tuple[np.ndarray, np.ndarray] | None = (
            None  # where each joint stands, and its command since it does
        )

    def take(self, time: float, commanded: np.ndarray, measured: np.ndarray) -> str:
        """'' or what stands still. time: seconds; commanded, measured: joints (n,) rad."""
        self._seen.append((time, commanded))
        while len(self._seen) > 1 and time - self._seen[1][0] >= WINDOW_S - 1e-9:
            self._seen.popleft()
        if self._stands is None:
            self._stands = measured.copy(), commanded.copy()
        place, then = self._stands
        moved = np.abs(measured - place) > MOVED_RAD
        place[moved], then[moved] = measured[moved], commanded[moved]
        if time - self._seen[0][0] < WINDOW_S - 1e-9 or np.abs(commanded - measured).max() <= AWAY_RAD:
            return ""
        asked = np.array([seen[1] for seen in self._seen])
        away = np.maximum(asked.min(axis=0) - measured, measured - asked.max(axis=0))
        stands = (away > AWAY_RAD) & (np.abs(commanded - then) > AWAY_RAD)
        if not stands.any():
            return ""
        joint = int(np.argmax(np.where(stands, away, 0.0)))
        return f"{self.names[joint]} stands still: {abs(commanded[joint] - measured[joint]):.3f} rad from its command"
