"""Motion with the MoveIt backend, an ideal robot and a stand-in for each arm's Servo, tick by tick in one thread."""

import numpy as np

from helpers.servo_stand_in import POSE, StandIn
from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.motion.motion import Motion
from vipa.moveit.backend import MoveItBackend
from vipa.moveit.servo_dialogue import SetType
from vipa.robot.description import load_robot
from vipa_cli.bench.ideal_robot import IdealRobot

TREMBLE = 1e-6


class Rig:
    """robot_clock_ahead: seconds by which joint states are stamped ahead of ROS time. servo_clock_ahead: by which Servo's own
    clock is ahead of ours. mute: groups whose output is lost. sent: every PoseCommand."""

    def __init__(self, robot: str = "fr3_single"):
        self.motion = Motion(load_robot(robot), backend=MoveItBackend)
        self.backend, self.dialogues = self.motion.servo, self.motion.servo.dialogues
        self.robot = IdealRobot(self.motion.robot)
        self.servos = {name: StandIn(self.motion.kinematics.groups[name]) for name in self.dialogues}
        self.present, self.mute, self.sent = set(self.dialogues), set(), []
        self.robot_clock_ahead = self.servo_clock_ahead = 0.0
        self.answering = True
        self.seq = 0
        self.path: list[np.ndarray] = []
        self.motion.set_authority("test")

    @property
    def q(self) -> np.ndarray:
        return np.array([self.robot.positions[name] for name in self.motion.kinematics.joint_names])

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self._tick()

    def _tick(self) -> None:
        ros_ns = self.robot.now_ns
        state = self.robot.state()
        early = type(state)(
            state.stamp_ns + round(self.robot_clock_ahead * 1e9), state.names, state.positions, state.velocities
        )
        self.backend.present = set(self.present)
        self.robot.command(self.motion.tick(early, self.robot.time, ros_ns))
        for k, (name, dialogue) in enumerate(self.dialogues.items()):
            self._carry(name, dialogue, self.servos[name], ros_ns, k)
        self.robot.advance(self.motion.dt)
        self.path.append(self.q)

    def _carry(self, name, dialogue, servo, ros_ns, k) -> None:
        requests, dialogue.requests = dialogue.requests, []
        for request in requests if self.answering and name in self.present else ():
            done = servo.switch_command_type(POSE) if isinstance(request, SetType) else servo.pause_servo(request.pause)
            dialogue.answered(request, done)
        joints = np.array([self.robot.positions[j] for j in dialogue.group.joints])
        if dialogue.trembling:
            joints = joints + TREMBLE * (len(self.path) % 2)
        servo.joint_state(joints)
        if dialogue.command is not None:
            self.sent.append(dialogue.command)
            servo.pose_target(dialogue.command.stamp_ns, dialogue.command.frame_id, dialogue.command.pose)
        status, trajectory = (
            servo.cycle(ros_ns + round(self.servo_clock_ahead * 1e9)) if name in self.present else (None, None)
        )
        if status is not None:
            dialogue.take_status(*status, self.robot.time)
        if trajectory is not None and name not in self.mute:
            dialogue.take_output(trajectory, self.robot.time)

    def make_ready(self, ticks: int = 200) -> None:
        for _ in range(ticks):
            self.tick()
            if not any(dialogue.refusal() for dialogue in self.dialogues.values()):
                return
        raise AssertionError({name: dialogue.refusal() for name, dialogue in self.dialogues.items()})

    def chunk(self, poses: np.ndarray, dt: float = 0.1, group: str | None = None) -> str:
        """Hand a chunk of tool poses (T, 7) to Motion; its answer."""
        arm = self.motion.robot.group(group or self.motion.robot.arms[0].name)
        self.seq += 1
        now = self.robot.now_ns
        action = GroupAction(arm.name, arm.base_frame, arm.tool_frame, np.asarray(poses, float))
        return self.motion.chunk(
            ActionChunk("test", self.motion.epoch, self.seq, now, now, dt, (action,)), now, self.robot.time
        )

    def line(self, way, seconds: float = 1.0, group: str | None = None) -> np.ndarray:
        """Poses (T, 7), 0.1 s apart, from where the tool is along `way` (3,) metres."""
        name = group or self.motion.robot.arms[0].name
        start = self.motion.commanded()[name].tool_pose
        steps = round(seconds / 0.1) + 1
        poses = np.tile(start, (steps, 1))
        poses[:, :3] += np.linspace(0, 1, steps)[:, None] * np.asarray(way, float)
        return poses
