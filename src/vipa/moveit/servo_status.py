"""What Servo's status codes (moveit_msgs/ServoStatus) mean for motion."""

from dataclasses import dataclass
from enum import IntEnum


class Code(IntEnum):
    """moveit_msgs/ServoStatus.code."""

    INVALID = -1
    NO_WARNING = 0
    DECELERATE_FOR_APPROACHING_SINGULARITY = 1
    HALT_FOR_SINGULARITY = 2
    DECELERATE_FOR_LEAVING_SINGULARITY = 3
    DECELERATE_FOR_COLLISION = 4
    HALT_FOR_COLLISION = 5
    JOINT_BOUND = 6


HALTED = {Code.HALT_FOR_SINGULARITY, Code.HALT_FOR_COLLISION}
WORDS = {
    Code.INVALID: "did not accept what it was sent",
    Code.DECELERATE_FOR_APPROACHING_SINGULARITY: "is slowed by a singularity",
    Code.HALT_FOR_SINGULARITY: "has halted before a singularity",
    Code.DECELERATE_FOR_LEAVING_SINGULARITY: "is slowed by a singularity",
    Code.DECELERATE_FOR_COLLISION: "is slowed by a near collision",
    Code.HALT_FOR_COLLISION: "has halted before a collision",
    Code.JOINT_BOUND: "is held by a joint limit",
}
# seconds of JOINT_BOUND on end that are a fault: Servo was seen to turn the other joints meanwhile
JOINT_BOUND_TIMEOUT_S = 0.3
LATCH_S = 0.5  # seconds that a slow-down is told of after it was last seen: the codes flicker from cycle to cycle


@dataclass
class ServoStatus:
    """The newest statuses of one Servo node, by the local monotonic clock.

    Servo repeats its last status for ever when idle, and says NO_WARNING to commands that it ignores: no warning is no proof that
    it follows, and a status counts only while Servo is commanded.
    """

    fault: str = ""  # why what Servo says forbids to follow it
    _slow: str = ""
    _slow_time: float = -1e9
    _bound_since: float | None = None
    last: str = "none"

    def take(self, code: int, message: str, monotonic: float) -> None:
        """A status came. A code that is not known is a fault."""
        self.fault = ""
        try:
            known = Code(code)
        except ValueError:
            self.fault = self.last = f"says {code}, which is no status of Servo's"
            return
        words = WORDS.get(known, "")
        self.last = f"{int(known)} {message or words or 'no warning'}".strip()
        if known is not Code.JOINT_BOUND:
            self._bound_since = None
        elif self._bound_since is None:
            self._bound_since = monotonic
        bound = self._bound_since is not None and monotonic - self._bound_since >= JOINT_BOUND_TIMEOUT_S
        if known is Code.INVALID or known in HALTED or bound:
            self.fault = words
        elif words:
            self._slow, self._slow_time = words, monotonic

    def slowed(self, monotonic: float) -> str:
        """'' or what slows it, now or less than LATCH_S seconds ago."""
        return self._slow if monotonic - self._slow_time < LATCH_S else ""
