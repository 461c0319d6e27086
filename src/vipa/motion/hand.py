"""The hand's part of chunks: openings between 0 and 1, linear between steps, limited in rate."""

import numpy as np

from vipa.motion.gate import MIN_COMMAND_S
from vipa.robot.description import Hand
from vipa.robot.state import JointTrajectory


class HandBuffer:
    """Openings (H,) of one hand. A step is reached when it is due, or as soon as max_velocity allows; never overshot.

    A binary gripper goes all the way, open or closed; between its two thresholds it keeps to what was decided last, so that a
    noisy wish does not make it flutter.
    """

    def __init__(self, hand: Hand):
        self.hand = hand
        self.closed = np.asarray(hand.closed, float)
        self.span = np.asarray(hand.open, float) - self.closed
        self.opening = np.zeros(len(hand.joints))
        self._decided = self.opening
        self.clear()

    def clear(self) -> None:
        """Stay where it is."""
        self._times, self._values = np.zeros(0), np.zeros((0, len(self.closed)))

    def restart(self, positions: np.ndarray) -> None:
        """The hand's joints stand at `positions` (H,), metres or radians."""
        self.clear()
        self.opening = self.opening_at(positions)
        self._decided = np.round(self.opening)

    def opening_at(self, positions: np.ndarray) -> np.ndarray:
        """Opening (H,), 0 .. 1, of the joints' `positions` (H,)."""
        return ((positions - self.closed) / self.span).clip(0.0, 1.0)

    def splice(self, times: np.ndarray, values: np.ndarray, now: float) -> None:
        """Take the openings `values` (T, H) due at `times` (T,) from now on; earlier steps of before stay."""
        keep = self._times < max(now, float(times[0]))
        if not np.any(keep) or self._times[keep][-1] < now:
            # the way to the first step starts here and now
            old_times, old_values = np.append(self._times[keep], now), np.vstack([self._values[keep], self.opening])
        else:
            old_times, old_values = self._times[keep], self._values[keep]
        ahead = times > old_times[-1]
        if not np.any(ahead):  # late as a whole: its last step is where to go
            self._times, self._values = np.array([now]), np.clip(values[-1:], 0, 1)
            return
        self._times = np.append(old_times, times[ahead])
        self._values = np.vstack([old_values, np.clip(values[ahead], 0, 1)])

    def advance(self, time: float, dt: float) -> np.ndarray:
        """Joint positions (H,) for `time`, `dt` seconds after the last ones."""
        if len(self._times):
            wish = self._decided = self._goal(
                np.array([np.interp(time, self._times, column) for column in self._values.T])
            )
            reach = self.hand.max_velocity * dt
            self.opening = self.opening + (wish - self.opening).clip(-reach, reach)
        return self.positions

    def _goal(self, wish: np.ndarray) -> np.ndarray:
        """Where to go for the opening `wish` (H,)."""
        if not self.hand.binary:
            return wish
        return np.where(wish < self.hand.close_below, 0.0, np.where(wish > self.hand.open_above, 1.0, self._decided))

    def finished(self, now: float) -> bool:
        """True when the last step is past and reached."""
        return not len(self._times) or (
            now >= self._times[-1] and bool(np.allclose(self.opening, self._goal(self._values[-1])))
        )

    def command(self, dt: float) -> JointTrajectory:
        """The command for its controller: to be there in `dt` seconds, and stay."""
        there, times = self.positions, np.array([dt, max(2 * dt, MIN_COMMAND_S)])
        return JointTrajectory(tuple(self.hand.joints), times, np.array([there, there]), np.zeros((2, len(there))))

    @property
    def positions(self) -> np.ndarray:
        return self.closed + self.opening * self.span
