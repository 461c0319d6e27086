"""What a skill asks of the expert's commander for a group, one goal after the other, and how those end."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import numpy as np

from vipa.commanders.expert.view import View
from vipa.config import Range

# what a task file may say of a grasp: metres beside what is grasped, share of a hand's opening, radians
Offset = Annotated[float, Range(-0.3, 0.3)]
Opening = Annotated[float, Range(0, 1)]
Angle = Annotated[float, Range(-2 * np.pi, 2 * np.pi)]


class Ended(Enum):
    """How a goal ended. REACHED: the tool is there. UNTIL: its condition came true. TIMEOUT: neither in time."""

    REACHED = "reached"
    UNTIL = "until"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Goal:
    """Where the tool of an arm shall go, asked again at every step, so that it follows what moves.

    pose: tool pose (7,) in the arm's base frame, of the view. hand: opening 0..1; hand_speed: full
    strokes a second, inf: as fast as it goes.
    speed, angular_speed, acceleration: m/s, rad/s, m/s². near, near_angle: metres, radians from the measured tool pose
    at which it is reached. settle: seconds that it stays there. until: ends the goal early. timeout: seconds. target:
    body or None, what the motion is about, for labels. noise: share of the expert's disturbances that is added. pressed: none
    of it up or down, where motion holds a force.
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
    pressed: bool = False


@dataclass(frozen=True)
class JointGoal:
    """Where the joints of a head shall go, asked again at every step.

    joints: (J,) radians, of the view. speed, acceleration: rad/s, rad/s², of the joints together. near: radians at which they
    are reached. until, timeout, target: as in Goal.
    """

    joints: Callable[[View], np.ndarray]
    speed: float = 1.0
    acceleration: float = 4.0
    near: float = 0.02
    settle: float = 0.0
    until: Callable[[View], bool] | None = None
    timeout: float = 8.0
    target: str | None = None


Skill = Generator[Goal | JointGoal, Ended, bool]
"""Yields goals for one group, is sent how they ended, and returns whether it succeeded."""


def still(pose: np.ndarray) -> Callable[[View], np.ndarray]:
    """A goal's `pose` that does not move."""
    return lambda view: pose
