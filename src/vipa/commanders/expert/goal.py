"""What a skill asks of the expert's commander, one goal after the other, and what it sees when the goal has ended."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from vipa.geometry import poses
from vipa.robot.kinematics import GroupKinematics
from vipa.robot.state import GroundTruth, GroupState
from vipa.tasks.checks import touching
from vipa.tasks.scorer import EpisodeScorer


class Ended(Enum):
    """How a goal ended. REACHED: the tool is there. UNTIL: its condition came true. TIMEOUT: neither in time."""

    REACHED = "reached"
    UNTIL = "until"
    TIMEOUT = "timeout"


@dataclass
class View:
    """What a skill sees, renewed at every step of the commander.

    now: seconds of ROS time. arm: measured state of the arm. base: pose (7,) of the arm's base frame in the world
    frame. fingers: names of the links that grasp. scorer: the expert's own scoring of the episode. kinematics: of the
    arm.
    """

    now: float
    truth: GroundTruth
    arm: GroupState
    base: np.ndarray
    fingers: frozenset[str]
    scorer: EpisodeScorer
    kinematics: GroupKinematics
    random: np.random.Generator

    def body(self, name: str) -> np.ndarray:
        """Pose (7,) of a body in the arm's base frame."""
        return poses.compose(poses.inverse(self.base), self.truth.poses[name])

    @property
    def tool(self) -> np.ndarray:
        """Measured tool pose (7,) in the arm's base frame."""
        return self.arm.tool_pose

    def scalar(self, name: str) -> float:
        return self.truth.scalars[name]

    @property
    def opening(self) -> float:
        """Opening of the hand, 0..1."""
        return float(self.arm.hand[0])

    def grasped(self, name: str) -> bool:
        """All fingers touch the body."""
        return self.fingers <= touching(self.truth, name)

    def touched(self, name: str) -> bool:
        """A finger touches the body."""
        return bool(self.fingers & touching(self.truth, name))

    def done(self, subtask: str) -> bool:
        """The sub-task is done, or the task does not ask for it."""
        return all(s.t_done is not None for s in self.scorer.subtasks if s.name == subtask)


@dataclass(frozen=True)
class Goal:
    """Where the tool shall go, asked again at every step, so that it follows what moves.

    pose: tool pose (7,) in the arm's base frame, of the view. hand: opening 0..1; hand_speed: full
    strokes a second, inf: as fast as it goes.
    speed, angular_speed, acceleration: m/s, rad/s, m/s². near, near_angle: metres, radians from the measured tool pose
    at which it is reached. settle: seconds that it stays there. until: ends the goal early. timeout: seconds. target:
    body or None, what the motion is about, for labels. noise: share of the expert's disturbances that is added.
    """

    pose: Callable[[View], np.ndarray]
    hand: float = 1.0
    hand_speed: float = float("inf")
    speed: float = 0.35
    angular_speed: float = 1.4
    acceleration: float = 1.2
    near: float = 0.01
    near_angle: float = 0.06
    settle: float = 0.0
    until: Callable[[View], bool] | None = None
    timeout: float = 8.0
    target: str | None = None
    noise: float = 1.0


Skill = Generator[Goal, Ended, bool]
"""Yields goals, is sent how they ended, and returns whether it succeeded."""


def still(pose: np.ndarray) -> Callable[[View], np.ndarray]:
    """A goal's `pose` that does not move."""
    return lambda view: pose
