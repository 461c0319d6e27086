"""MoveItBackend: MoveIt Servo in the place of our own inverse kinematics; everything behind it stays as it is.

Poses go to Servo, the joints that it answers with are followed like a commander's: through the same programme with its velocity
and distance dampers, and through the SafetyGate, which re-times them. So nothing that Servo puts out reaches a controller as it
is. Joint targets (planned moves, a head) never see Servo.
"""

import numpy as np

from vipa.errors import VipaError, unknown
from vipa.motion.chunk import ActionChunk
from vipa.motion.servo import Servo, Target
from vipa.moveit.servo_dialogue import ServoDialogue
from vipa.robot.kinematics import Kinematics

SERVO_LAG_S = 0.09  # seconds that the tool is behind the poses that Servo is sent: 0.08 to 0.1, docs/moveit.md
MIN_RATE_HZ = 50.0  # Hz: Servo halts for poses older than 0.1 s, so they are stamped anew well above 10 Hz


class MoveItBackend(Servo):
    """A Servo whose pose targets are solved by MoveIt's, one `ServoDialogue` an arm. Not for several threads.

    Raises VipaError for a robot whose control_rate is below MIN_RATE_HZ.

    dialogues: by group; whoever carries messages tells them what came, sends `dialogue.requests` and `dialogue.command` after every tick,
    and sets `present`, the arms whose node is there.
    """

    lag_s = SERVO_LAG_S

    def __init__(self, kinematics: Kinematics, dt: float):
        super().__init__(kinematics, dt)
        if 1.0 / dt < MIN_RATE_HZ - 1e-9:
            raise VipaError(
                f"{kinematics.robot.name}: control_rate {1.0 / dt:g} Hz; allowed with motion backend moveit: {MIN_RATE_HZ:g} or more"
            )
        self.dialogues = {group.name: ServoDialogue(group) for group in kinematics.robot.arms}
        self.present: set[str] = set()
        self._followed: set[str] = set()
        self._stamp_ns = 0
        self._now = 0.0

    def begin(self, q: np.ndarray, stamp_ns: int, monotonic: float, stopped: bool) -> tuple[str, str]:
        self._now, holds, notes = monotonic, [], []
        self._stamp_ns = stamp_ns
        for name, dialogue in self.dialogues.items():
            joints = q[self.kinematics.columns[name]]
            why = dialogue.tick(monotonic, name in self.present, stopped, joints)
            if why and name in self._followed:
                holds.append(why)
            slowed = dialogue.status.slowed(monotonic)
            if slowed and name in self._followed:
                notes.append(f"{dialogue.name} {slowed}")
            # kept alive where it is: what is not aimed elsewhere in this tick holds the pose that is commanded
            dialogue.aim(self.kinematics.groups[name].forward(joints), stamp_ns)
        self._followed = set()
        return "; ".join(holds), "; ".join(notes)

    def refusal(self, chunk: ActionChunk) -> str:
        posed = {action.name for action in chunk.groups if action.poses is not None}
        return "; ".join(
            why for name, dialogue in self.dialogues.items() if name in posed and (why := dialogue.refusal())
        )

    def step(
        self, q: np.ndarray, v: np.ndarray, targets: dict[str, Target], hands: dict[str, np.ndarray]
    ) -> np.ndarray:
        """As Servo's. An arm whose Servo has nothing that may be followed comes to rest."""
        joints = {}
        for name, target in targets.items():
            if target.pose is None:
                joints[name] = target
                continue
            self._followed.add(name)
            dialogue = self.dialogues[name]
            reference = dialogue.reference() if not dialogue.aim(target.pose.value, self._stamp_ns) else None
            if reference is not None:
                joints[name] = Target(joints=reference)
        return super().step(q, v, joints, hands)


BACKENDS: dict[str, type[Servo]] = {"embedded": Servo, "moveit": MoveItBackend}


def backend_named(name: str) -> type[Servo]:
    """The backend `name`: what turns targets into joint velocities. Raises VipaError if there is none."""
    if name not in BACKENDS:
        raise unknown("motion backend", name, BACKENDS)
    return BACKENDS[name]
