"""Skill: reach. Tool orientations from above, and moves through free space above the table."""

import numpy as np
from scipy.spatial.transform import Rotation

from vipa_ros.expert.goal import Ended, Goal, Skill, View, still
from vipa_ros.geometry import pose

CLEAR = 0.28  # metres above the base frame: nothing on the table stands this high, a held fruit included


def top_down(position, yaw: float) -> np.ndarray:
    """Tool pose (7,) that looks straight down; its x axis has the angle `yaw` in the base frame, the fingers close
    across."""
    return pose(position, Rotation.from_euler("z", yaw) * Rotation.from_euler("x", np.pi))


def yaw_of(p: np.ndarray) -> float:
    """Angle of the x axis of the pose (7,) in the horizontal plane, radians."""
    x = Rotation.from_quat(p[3:]).apply([1.0, 0.0, 0.0])
    return float(np.arctan2(x[1], x[0]))


def wrap(angle: float) -> float:
    """The angle in -pi..pi."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def best_yaw(view: View, position, yaw: float) -> float:
    """`yaw` or half a turn more: the gripper is symmetric, the wrist is not. The one it reaches with less motion."""
    found = []
    for candidate in (wrap(yaw), wrap(yaw + np.pi)):
        joints = view.kinematics.solve(top_down(position, candidate), view.arm.positions, restarts=0)
        if joints is not None:
            found.append((float(np.abs(joints - view.arm.positions).max()), candidate))
    if found:
        return min(found)[1]
    return min((wrap(yaw), wrap(yaw + np.pi)), key=abs)


def raise_tool(view: View, hand: float, height: float = CLEAR, speed: float = 0.4, target: str | None = None) -> Skill:
    """Straight up to `height` metres, as the tool stands; nothing if it is up there already."""
    if view.tool[2] > height - 0.02:
        return True
    goal = view.tool.copy()
    goal[2] = height
    ended = yield Goal(still(goal), hand=hand, speed=speed, near=0.03, near_angle=0.3, target=target)
    return ended is Ended.REACHED


def travel(view: View, goal, hand: float, target: str | None = None, speed: float = 0.5, near: float = 0.03) -> Skill:
    """To `goal` (a function of the view, (7,) poses) at its own height, which must be clear, having gone up first."""
    yield from raise_tool(view, hand, min(CLEAR, goal(view)[2]), target=target)
    ended = yield Goal(goal, hand=hand, speed=speed, angular_speed=1.6, near=near, near_angle=0.1, target=target)
    return ended is Ended.REACHED
