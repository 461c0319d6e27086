"""Hands by events and by openings: a hand is told where to go, not streamed to."""

import numpy as np

from vipa.robot.description import Group

STEP = 0.05  # opening of one `wider` or `narrower`
REPEATS = 3  # chunks that repeat what a hand was told: one may be refused
SAME = 0.02  # opening within which a trigger says the same as before


class HandDrive:
    """The hand of one arm. told: opening that it was told last, None: nothing yet, it stays as it is."""

    def __init__(self, group: Group):
        self.group = group
        self.told: float | None = None
        self._left = 0

    def reset(self) -> None:
        """Somebody else had the arm: its hand stays as it is until it is told again."""
        self.told, self._left = None, 0

    def event(self, name: str, measured: np.ndarray) -> None:
        """open, close, wider or narrower. measured: openings (H,)."""
        now = float(np.mean(measured)) if self.told is None else self.told
        self._tell({"open": 1.0, "close": 0.0, "wider": now + STEP, "narrower": now - STEP}[name])

    def follow(self, opening: float) -> None:
        """A trigger's opening, 0 to 1."""
        if self.told is None or abs(opening - self.told) > SAME or (opening in (0.0, 1.0) and opening != self.told):
            self._tell(opening)

    def _tell(self, opening: float) -> None:
        self.told, self._left = min(max(opening, 0.0), 1.0), REPEATS

    def steps(self, count: int) -> np.ndarray | None:
        """Openings (count, H) to send now; None: nothing new."""
        if self._left <= 0 or self.told is None:
            return None
        self._left -= 1
        return np.full((count, len(self.group.hand.joints)), self.told)
