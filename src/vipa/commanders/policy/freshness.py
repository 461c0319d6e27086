"""Is what was seen fit to act on? Never a zero-filled or frozen stream: what is late, torn or still is named instead."""

from vipa.robot.captures import StillCheck
from vipa.robot.state import CameraFrame

MAX_AGE_S = 0.3  # seconds of ROS time from a capture to its use
MAX_SKEW_S = 0.12  # seconds between the captures of one observation


class FreshnessCheck:
    """Judges sets of frames, newest of each camera. One thread.

    still_ok: identical pixels are no fault (a simulated camera that looks at a scene at rest has no noise).
    """

    def __init__(self, cameras, still_ok: bool = False):
        self.cameras, self.still = tuple(cameras), StillCheck(still_ok)

    def fault(self, frames: dict[str, CameraFrame], now_ns: int) -> str:
        """Why `frames` cannot be acted on at `now_ns`; empty if they can."""
        for name in self.cameras:
            if name not in frames:
                return f"camera {name}: no frame yet"
            age = (now_ns - frames[name].stamp_ns) / 1e9
            if age > MAX_AGE_S:
                return f"camera {name}: newest frame is {age:.2f} s old, allowed {MAX_AGE_S} s"
            if age < -0.05:
                return f"camera {name}: frame is stamped {-age:.2f} s in the future"
        stamps = [frames[name].stamp_ns for name in self.cameras]
        skew = (max(stamps) - min(stamps)) / 1e9
        if skew > MAX_SKEW_S:
            return f"cameras are {skew:.2f} s apart, allowed {MAX_SKEW_S} s"
        return next((why for name in self.cameras if (why := self.still.fault(frames[name]))), "")
