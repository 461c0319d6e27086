"""ServoDialogue: the dialogue with one arm's Servo node, and when its output may be followed. No ROS, no waiting.

What Servo does that this makes safe (its source and measurements of MoveIt 2.12):

- it drops input until a command type is set: the type is set, confirmed, and set again after every silence;
- it ignores old stamps without a warning: poses are stamped anew every tick, and a Servo that is sent poses and puts out
  nothing is a fault, whatever its status says;
- it accepts stamps in the future and goes on after the stream has ended: stamps are never ahead of ROS time;
- it moves on a zero quaternion: a pose that is not finite or not a unit quaternion is never sent;
- it starts only when joint states change: until it puts something out, the joint states it is given tremble by a microradian;
- paused, it does not check collisions, and resumed it may leap: nothing of it is followed until its output has stayed with the arm
  for longer than a period of its collision check;
- halted, it only stops publishing: an output that is no longer fresh is not followed;
- at a joint limit it may turn the other joints: held there for BOUND seconds, it is not followed any more.

That its output stays with the arm while it is asked to stay also shows that it means the same tool and frames as we do.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from vipa.motion.buffer import Reference
from vipa.moveit.servo_status import ServoStatus
from vipa.robot.description import Group
from vipa.robot.state import JointTrajectory

ANSWER_TIMEOUT_S = 1.0  # seconds after which a request that was not answered is made again
MAX_OUTPUT_AGE_S = 0.1  # seconds that an output may be followed
OUTPUT_TIMEOUT_S = 0.3  # seconds without output, while poses are sent, that are a fault
SETTLE_S = 0.25  # seconds that the output must stay with the arm first: 2.5 periods of Servo's collision check
SETTLE_COUNT = 10  # outputs meanwhile, at least
# seconds of settling in vain after which Servo is paused and resumed, which clears what it integrates from
SETTLE_TIMEOUT_S = 3.0
NEAR_RAD = 0.02  # radians between output and arm that count as "with the arm"
DIVERGED_RAD = 0.35  # radians between output and arm that cannot be a lag: at 2 rad/s that would be 0.18 s
QUATERNION_TOLERANCE = 1e-3  # of a quaternion's norm from 1


class Phase(Enum):
    """Where the dialogue stands."""

    ABSENT = "is not there"
    TYPING = "has not confirmed its command type"
    PAUSING = "is being paused"
    PAUSED = "is paused"
    RESUMING = "has not confirmed that it goes on"
    SETTLING = "settles"
    READY = ""


@dataclass(frozen=True)
class SetType:
    """Request: switch_command_type to POSE."""


@dataclass(frozen=True)
class Pause:
    """Request: pause_servo with `pause`."""

    pause: bool


REQUESTS = {Phase.TYPING: SetType(), Phase.PAUSING: Pause(True), Phase.RESUMING: Pause(False)}


@dataclass(frozen=True)
class PoseCommand:
    """A pose (7,) xyz + unit quaternion xyzw of the tool in `frame_id`, stamped `stamp_ns` of ROS time."""

    stamp_ns: int
    frame_id: str
    pose: np.ndarray


class ServoDialogue:
    """One arm's Servo. The caller tells what came and gives the local monotonic clock; `requests` and `command` are for it to send.

    requests: taken away by whoever sends them. restarts: how often the dialogue began anew after it had been ready.
    """

    def __init__(self, group: Group):
        self.group = group
        self.phase = Phase.ABSENT
        self.status = ServoStatus()
        self.requests: list[SetType | Pause] = []
        self.command: PoseCommand | None = None
        self.restarts = self.dropped = 0
        self._output: Reference | None = None
        self._now = self._output_time = self._since = self._near_since = -1e9
        self._near, self._fresh = 0, False
        self._complaint = ""

    # what comes in

    def take_output(self, trajectory: JointTrajectory, monotonic: float) -> str:
        """Servo's newest trajectory. '' or why it was dropped."""
        why = self._unusable(trajectory)
        if why:
            self.dropped += 1
            return f"{self.name}: {why}"
        order = [trajectory.joint_names.index(joint) for joint in self.group.joints]
        positions, velocities = (np.asarray(v, float)[-1, order] for v in (trajectory.positions, trajectory.velocities))
        self._output = Reference(positions, velocities, np.zeros(len(order)))
        self._output_time = monotonic
        self._fresh = True
        return ""

    def _unusable(self, trajectory: JointTrajectory) -> str:
        names, want = tuple(trajectory.joint_names), tuple(self.group.joints)
        if sorted(names) != sorted(want):
            return f"output for {', '.join(names) or 'no joints'}; allowed: {', '.join(want)}"
        shape = np.shape(trajectory.positions)
        if len(shape) != 2 or shape[0] < 1 or shape[1] != len(want) or np.shape(trajectory.velocities) != shape:
            return f"output with positions {shape} and velocities {np.shape(trajectory.velocities)}; allowed: (P, {len(want)}) both"
        if not (np.all(np.isfinite(trajectory.positions)) and np.all(np.isfinite(trajectory.velocities))):
            return "output is not finite"
        return ""

    def take_status(self, code: int, message: str, monotonic: float) -> None:
        """Servo's newest status."""
        self.status.take(code, message, monotonic)

    def answered(self, request: SetType | Pause, success: bool) -> None:
        """Servo has answered `request`. An answer to what is no longer asked changes nothing; a refused request is repeated."""
        if request != REQUESTS.get(self.phase):
            return
        if not success:
            self._complaint = f"refused {request}"
            return
        after = {Phase.TYPING: Phase.RESUMING, Phase.PAUSING: Phase.PAUSED, Phase.RESUMING: Phase.SETTLING}
        self._enter(after[self.phase])

    # once a tick

    def tick(self, monotonic: float, present: bool, stopped: bool, q: np.ndarray) -> str:
        """One step of the dialogue. present: its services are there. stopped: nothing may move. q (J,): where the arm is commanded
        to be. '' or why an arm that follows it must hold."""
        self._now, was_ready = monotonic, self.phase is Phase.READY
        why = self._dialogue(present, stopped, q)
        if was_ready and self.phase is not Phase.READY:
            self.restarts += not stopped
            return f"{self.name} {why}" if why else ""
        return ""

    def _dialogue(self, present: bool, stopped: bool, q: np.ndarray) -> str:
        if not present:
            self._enter(Phase.ABSENT)
            return Phase.ABSENT.value
        if self.phase is Phase.ABSENT:
            self._enter(Phase.TYPING)
        if stopped and self.phase in (Phase.SETTLING, Phase.READY):
            self._enter(Phase.PAUSING)
        elif not stopped and self.phase is Phase.PAUSED:
            self._enter(Phase.RESUMING)
        elif self.phase in REQUESTS and self._now - self._since > ANSWER_TIMEOUT_S:
            self._ask()
        elif self.phase is Phase.SETTLING:
            self._settle(q)
        elif self.phase is Phase.READY:
            return self._watch(q)
        return ""

    def _settle(self, q: np.ndarray) -> None:
        if self._fresh:
            self._fresh = False
            off = float(np.abs(self._output.value - q).max())
            if off > NEAR_RAD or self.status.fault:
                self._near, self._near_since = 0, self._now
                self._complaint = self.status.fault or f"puts out joints {off:.3f} rad from the arm"
            else:
                self._near += 1
            if self._near >= SETTLE_COUNT and self._now - self._near_since >= SETTLE_S:
                self._enter(Phase.READY)
                return
        if self._now - max(self._output_time, self._since) > OUTPUT_TIMEOUT_S:
            self._complaint = f"puts out nothing; its status: {self.status.last}"
        if self._now - self._since > SETTLE_TIMEOUT_S:
            # silent: it may have been started anew and want its type. Else: make it forget what it integrates from
            self._enter(Phase.TYPING if self._now - self._output_time > OUTPUT_TIMEOUT_S else Phase.PAUSING)

    def _watch(self, q: np.ndarray) -> str:
        """'' or why a ready Servo may not be followed any more."""
        age = self._now - self._output_time
        if self.status.fault:
            why, after = self.status.fault, Phase.PAUSING  # resumed it begins where the arm is
        elif age > OUTPUT_TIMEOUT_S:
            why, after = f"has put out nothing for {age:.2f} s; its status: {self.status.last}", Phase.TYPING
        elif (off := float(np.abs(self._output.value - q).max())) > DIVERGED_RAD:
            why, after = f"puts out joints {off:.3f} rad from the arm; allowed: {DIVERGED_RAD}", Phase.PAUSING
        else:
            return ""
        self._enter(after)
        self._complaint = why
        return why

    def _enter(self, phase: Phase) -> None:
        if phase is self.phase:
            return
        self.phase, self._since, self.command = phase, self._now, None
        self._near, self._near_since, self._fresh, self._complaint = 0, self._now, False, ""
        if phase in REQUESTS:
            self._ask()

    def _ask(self) -> None:
        self._since = self._now
        self.requests = [REQUESTS[self.phase]]  # an older one that was not sent is of no interest any more

    # what goes out

    def aim(self, pose: np.ndarray, stamp_ns: int) -> str:
        """Send the tool to `pose` (7,), base frame, from now on; stamp_ns: ROS time now. '' or why it is not sent."""
        self.command = None
        norm = float(np.linalg.norm(pose[3:]))
        if not np.all(np.isfinite(pose)) or abs(norm - 1) > QUATERNION_TOLERANCE:
            return f"{self.name}: a pose that is not finite or whose quaternion has norm {norm:.4g} is not sent"
        if self.phase in (Phase.SETTLING, Phase.READY):
            self.command = PoseCommand(stamp_ns, self.group.base_frame, np.concatenate([pose[:3], pose[3:] / norm]))
        return ""

    @property
    def name(self) -> str:
        return f"Servo of {self.group.name}"

    @property
    def trembling(self) -> bool:
        """Its joint states must change so that it starts."""
        return self.phase is not Phase.READY

    def refusal(self) -> str:
        """'' if it may be followed, else why not."""
        if self.phase is Phase.READY:
            return ""
        return f"{self.name} {self.phase.value}" + (f": it {self._complaint}" if self._complaint else "")

    def reference(self) -> Reference | None:
        """The joints (J,) and velocities that Servo wants now; None: nothing that may be followed."""
        if self.phase is not Phase.READY or self.status.fault or self._now - self._output_time > MAX_OUTPUT_AGE_S:
            return None
        return self._output
