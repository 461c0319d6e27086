"""A leader arm (GELLO style) over `/leader/joint_states`: the arm follows its joints, or the way its tool moves.

A leader has no deadman of its own: the clutch's key engages it, or a pedal. It moves nothing until its joints are near the arm's.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from vipa.commanders.teleop.device import ArmInput, DeviceInput
from vipa.config import Range
from vipa.recording.topic_names import LEADER_JOINT_STATES
from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics

JOINT_STATE_TIMEOUT_S = 0.1  # seconds without its joint states after which it counts as lost


@dataclass(frozen=True)
class Options:
    """topic: of its joint states. prefix: before the arm's joint names in them. mode: joint, or cartesian: the arm's tool moves as
    the leader's has since the clutch closed. hand: joint of its trigger, "" none; closed, open: where that stands, rad or m."""

    topic: str = LEADER_JOINT_STATES
    prefix: str = ""
    mode: Literal["joint", "cartesian"] = "joint"
    hand: str = ""
    closed: Annotated[float, Range(-10, 10)] = 0.0
    open: Annotated[float, Range(-10, 10)] = 1.0


class Leader:
    """One leader a robot: its joints are named as the arms' are."""

    name, deadman = "leader", False
    keys = (("z", "engage, let go"), ("leader", "moves the arm"))

    def __init__(self, options: Options):
        self.options, self.topics = options, {options.topic: "joint_states"}
        self.positions: dict[str, float] = {}
        self.stamp = -np.inf
        self.changed = lambda: None

    def bind(self, robot: Robot) -> None:
        """The robot that it leads."""
        self.kinematics = Kinematics(robot)

    def open(self, changed) -> None:
        self.changed = changed

    def heard(self, topic: str, value, now: float) -> None:
        """A joint state (names, positions) came at `now`, monotonic seconds. Raises ValueError for one that is none."""
        names, positions = value
        if len(names) != len(positions) or not np.all(np.isfinite(positions)):
            raise ValueError(f"leader: {len(names)} names, {len(positions)} positions; allowed: as many, finite")
        self.positions |= {name.removeprefix(self.options.prefix): float(p) for name, p in zip(names, positions)}
        self.stamp = now
        self.changed()

    def read(self, now: float) -> DeviceInput:
        age = now - self.stamp
        if age > JOINT_STATE_TIMEOUT_S:
            since = f"for {age:.1f} s" if np.isfinite(age) else "yet"
            return DeviceInput(fault=f"leader: nothing on {self.options.topic} {since}")
        arms = {}
        for group in self.kinematics.robot.arms:
            if set(group.joints) <= set(self.positions):
                q = np.array([self.positions[name] for name in group.joints])
                arms[group.name] = self._arm(group.name, q)
        if not arms:
            wanted = ", ".join(f"{self.options.prefix}{name}" for name in self.kinematics.robot.arms[0].joints)
            return DeviceInput(fault=f"leader: {self.options.topic} lacks joints of every arm, e.g. {wanted}")
        return DeviceInput(arms)

    def _arm(self, arm: str, q: np.ndarray) -> ArmInput:
        hand = None
        if (stands := self.positions.get(self.options.hand)) is not None:
            hand = (stands - self.options.closed) / ((self.options.open - self.options.closed) or 1.0)
        if self.options.mode == "cartesian":
            return ArmInput(pose=self.kinematics.group(arm).forward(q), hand=hand)
        return ArmInput(joints=q, hand=hand)

    def close(self) -> None:
        self.changed = lambda: None


def make(options: Options) -> Leader:
    """A leader, not bound to a robot yet."""
    return Leader(options)
