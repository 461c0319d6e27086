"""What the expert sees: the world, and one named group in it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vipa.geometry import poses, rotation
from vipa.robot.description import Group
from vipa.robot.kinematics import GroupKinematics
from vipa.robot.state import GroundTruth, GroupState
from vipa.tasks.checks import touching
from vipa.tasks.scorer import EpisodeScorer


@dataclass
class World:
    """What all groups of the robot share, renewed at every step of the commander.

    now: seconds of ROS time. groups: measured states by name. scorer: the expert's own scoring of the episode. views: of
    every group that the script moves, by name.
    """

    now: float
    truth: GroundTruth
    groups: dict[str, GroupState]
    scorer: EpisodeScorer
    views: dict[str, "View"] = field(default_factory=dict)

    def done(self, subtask: str) -> bool:
        """The sub-task is done, or the task does not ask for it."""
        return all(s.t_done is not None for s in self.scorer.subtasks if s.name == subtask)


class View:
    """The world as the skills of one group see it: an arm with its hand, or a head.

    name: of the group. base: pose (7,) of its base frame in the world frame. fingers: names of the links that grasp.
    kinematics: of the group. hand: of the arm, or None. grasps: how its hand takes what the script handles, by name.
    """

    def __init__(self, world: World, group: Group, kinematics: GroupKinematics, grasps: dict[str, Any] | None = None):
        self.world, self.name, self.kinematics = world, group.name, kinematics
        base = kinematics.base
        self.base = np.concatenate([base.translation, rotation.from_matrix(base.rotation)])
        self._to_base = poses.inverse(self.base)
        self.hand, self.grasps = group.hand, grasps or {}
        self.fingers = frozenset(group.hand.fingers if group.hand else ())
        sides = (group.hand.sides or [[finger] for finger in group.hand.fingers]) if group.hand else []
        self._sides = [frozenset(side) for side in sides]

    def other(self, name: str) -> "View":
        """The view of the group `name`, which the script moves, too."""
        return self.world.views[name]

    @property
    def now(self) -> float:
        """Seconds of ROS time."""
        return self.world.now

    @property
    def state(self) -> GroupState:
        """Measured state of the group."""
        return self.world.groups[self.name]

    @property
    def tool(self) -> np.ndarray:
        """Measured tool pose (7,) in the group's base frame."""
        return self.state.tool_pose

    @property
    def opening(self) -> float:
        """Opening of the arm's hand as a gripper, 0..1."""
        return self.hand.opening_of(self.state.hand)

    def body(self, name: str) -> np.ndarray:
        """Pose (7,) of a body in the group's base frame."""
        return poses.compose(self._to_base, self.world.truth.poses[name])

    def scalar(self, name: str) -> float:
        """A scalar of the scene."""
        return self.world.truth.scalars[name]

    def grasped(self, name: str) -> bool:
        """All sides of the hand touch the body."""
        touched = touching(self.world.truth, name)
        return all(side & touched for side in self._sides)

    def touched(self, name: str) -> bool:
        """A finger of the hand touches the body."""
        return bool(self.fingers & touching(self.world.truth, name))

    def done(self, subtask: str) -> bool:
        """The sub-task is done, or the task does not ask for it."""
        return self.world.done(subtask)
