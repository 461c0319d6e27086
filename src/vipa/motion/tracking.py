"""Do the arms follow their commands? Those that do not get no more: what their controllers have brakes, and one that comes back (or
was reset) does not leap to where its arm is not."""

import numpy as np

from vipa.motion.standstill import Standstill

MAX_TRACKING_ERROR_RAD = 0.15  # radians between measured and commanded joints that stop the arms
# radians that a measured joint may move in a tick, beside twice what the robot file's velocity allows
MAX_LEAP_RAD = 0.01
MAX_STIR_RAD = 0.005  # radians in a tick: an arm that stands, and moves further, was moved by others


class Tracking:
    """One robot's joints.

    Args:
        names: of the joints (n).
        fastest: (n,) rad/s, as the robot file has it: an arm may still be as fast when limits are drawn tighter.

    Attributes:
        lost: the arms do not follow, until they are re-armed.
        moved: others moved the arms while they stood.
        before: (n,) radians, measured a tick ago.
    """

    def __init__(self, names: tuple[str, ...], fastest: np.ndarray):
        self.names, self.fastest, self.standstill = names, fastest, Standstill(names)
        self.lost = self.moved = False
        self.before = np.empty(0)

    def restart(self) -> None:
        """What is measured has become what is commanded."""
        self.standstill.reset()
        self.moved = False

    def take(
        self, time: float, elapsed: float, commanded: np.ndarray, measured: np.ndarray, resting: bool, pressing: bool
    ) -> str:
        """Looks at a tick.

        Args:
            time: seconds of ROS time.
            elapsed: seconds since the last tick.
            commanded, measured: (n,) radians now.
            resting: the command stands.
            pressing: an arm presses on something: what holds it up is known, and is being let go of.

        Returns:
            Why the arms must stop, "" if they follow.
        """
        why = ""
        if pressing:
            self.standstill.reset()
        elif not self.lost:
            why = self.standstill.take(time, commanded, measured)
        if not self.lost:
            why = why or self._off(elapsed, commanded, measured)
        self.lost = self.lost or bool(why)
        if resting and np.abs(measured - self.before).max() > MAX_STIR_RAD:
            self.moved = True
        return why

    def _off(self, elapsed: float, commanded: np.ndarray, measured: np.ndarray) -> str:
        error = np.abs(measured - commanded)
        if error.max() > MAX_TRACKING_ERROR_RAD:
            joint = int(np.argmax(error))
            return f"{self.names[joint]} is {error[joint]:.3f} rad from its command; allowed: {MAX_TRACKING_ERROR_RAD}"
        leap = np.abs(measured - self.before) - 2 * self.fastest * elapsed - MAX_LEAP_RAD
        return f"{self.names[int(np.argmax(leap))]} leapt within {elapsed:.3f} s" if leap.max() > 0 else ""
