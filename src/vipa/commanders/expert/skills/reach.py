"""Skill: reach. Tool orientations from above, and moves through free space above the table."""

from collections.abc import Callable

import numpy as np

from vipa.commanders.expert.goal import Ended, Goal, Skill, still
from vipa.commanders.expert.view import View
from vipa.geometry import rotation

CLEAR_M = 0.28  # metres above the base frame: nothing on the table stands this high, a held fruit included

AWAY_M = 0.03  # metres: an arm that was to stay was moved by somebody else
NEAR_LIMIT_RAD = 0.2  # a joint that is nearer to its limit will not go on turning that way for long
BESIDE, STEEP = 0.004, 8.0  # metres off the line that do not matter; metres up for every metre more


def top_down(position, yaw: float) -> np.ndarray:
    """Tool pose (7,) that looks straight down; its x axis has the angle `yaw` in the base frame, the fingers close
    across."""
    return np.array([*position, np.cos(yaw / 2), np.sin(yaw / 2), 0.0, 0.0])  # half a turn about x, then the yaw


def yaw_of(p: np.ndarray) -> float:
    """Angle of the x axis of the pose (7,) in the horizontal plane, radians."""
    x, y, z, w = p[3:].tolist()
    return float(np.arctan2(2 * (x * y + z * w), 1 - 2 * (y * y + z * z)))


def wrap(angle: float) -> float:
    """The angle in -pi..pi."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def best_turn(view: View, path: Callable[[float], list[np.ndarray]]) -> float:
    """0 or half a turn about the tool's axis: the gripper is symmetric, the wrist is not. `path` gives the tool poses (7,)
    that are wanted one after the other with a turn. The turn with which all are reached, no joint near its limit, and
    with less motion, is best: an arm that winds itself up further with every object ends where it cannot go on."""
    arm, found = view.kinematics, []
    for turn in (0.0, np.pi):
        joints, largest, room = view.state.positions, 0.0, np.inf
        for target in path(turn):
            solved = arm.solve(target, joints, restarts=0)
            if solved is None:
                break
            largest, joints = max(largest, float(np.abs(solved - view.state.positions).max())), solved
            room = min(room, float(np.minimum(solved - arm.lower, arm.upper - solved).min()))
        else:
            found.append((room < NEAR_LIMIT_RAD, largest, turn))
    return min(found)[-1] if found else 0.0


def best_yaw(view: View, position, yaw: float) -> float:
    """`yaw` or half a turn more, for a tool that looks down at `position` (3,)."""
    yaw = min((wrap(yaw), wrap(yaw + np.pi)), key=abs)
    return wrap(yaw + best_turn(view, lambda turn: [top_down(position, yaw + turn)]))


def lined_up(
    goal: Callable[[View], np.ndarray], top: float, beside: float = BESIDE, arm: float = 0.0
) -> Callable[[View], np.ndarray]:
    """`goal`, but up to `top` metres higher as long as the tool is more than `beside` metres off the line over it: fingers
    shall pass beside the object. A tool that is turned away counts as off by `arm` metres a radian."""

    def funnel(view: View) -> np.ndarray:
        target = goal(view).copy()
        off = float(np.hypot(*(view.tool[:2] - target[:2])))
        off += arm * float(np.linalg.norm(rotation.difference(target[3:], view.tool[3:])))
        target[2] += min(top, max(0.0, STEEP * (off - beside)))
        return target

    return funnel


def raise_tool(
    view: View, hand: float, height: float = CLEAR_M, speed: float = 0.4, target: str | None = None
) -> Skill:
    """Straight up to `height` metres, as the tool stands; nothing if it is up there already."""
    if view.tool[2] > height - 0.02:
        return True
    goal = view.tool.copy()
    goal[2] = height
    ended = yield Goal(still(goal), hand=hand, speed=speed, near=0.03, near_angle=0.3, target=target)
    return ended is Ended.REACHED


def stay(view: View) -> Callable[[View], np.ndarray]:
    """Where the tool is, also after somebody else has moved it."""
    here = view.tool.copy()

    def pose(view: View) -> np.ndarray:
        if np.linalg.norm(view.tool[:3] - here[:3]) > AWAY_M:
            here[:] = view.tool
        return here

    return pose


def travel(view: View, goal, hand: float, target: str | None = None, speed: float = 0.5, near: float = 0.03) -> Skill:
    """To `goal` (a function of the view, (7,) poses) at its own height, which must be clear, having gone up first."""
    yield from raise_tool(view, hand, min(CLEAR_M, goal(view)[2]), target=target)
    ended = yield Goal(goal, hand=hand, speed=speed, angular_speed=1.6, near=near, near_angle=0.1, target=target)
    return ended is Ended.REACHED
