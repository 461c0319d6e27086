"""Script: pick up the watering can, aim its nozzle at the plant, press the spray handle.

What comes next follows from what is seen alone, never from what came before: a policy that learns from it has no memory.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vipa.commanders.expert.goal import Angle, Goal, Offset, Opening, Skill
from vipa.commanders.expert.skills.reach import stay, top_down, wrap, yaw_of
from vipa.commanders.expert.skills.take import Take
from vipa.commanders.expert.view import View
from vipa.geometry import poses, rotation

CAN, NOZZLE, PLANT, HANDLE = "can", "can_nozzle", "plant", "spray_handle"
LEAVES_M = 0.19  # metres above the pot's foot
NOISE = 0.3  # share of the disturbances on the way down, where the fingers have 17 mm to either side, and with the can in the hand
# Metres of the can above the table: from here on it is aimed, and not lower than this. The nozzle is then 38 mm over the leaves:
# the lower, the more the jet may miss to the side
LIFTED, CARRY = 0.055, 0.07
DISTANCE_M = 0.19  # metres from the nozzle to the middle of the leaves
# Metres by which the jet may miss the middle of the leaves, well inside what the task counts as a hit, and by which that distance
# may differ. The task allows more of both; but who learns this goes all of the way, and must have seen that one presses at its end
MISS, DEPTH = 0.055, 0.04
WIDER = 1.2  # times these once the hand squeezes: what that does to the can does not matter
SLOW_M_S2 = 0.5  # m/s², with the can in the hand


@dataclass(frozen=True)
class Grasp:
    """How a hand takes the can by neck and spray handle; openings 0..1.

    height: metres of the tool above the can's foot: the palm 14 mm clear of the can's head. gripped: with a finger on the can, the can is
    in the hand below this. light: asked for to carry it; the handle's spring yields at 8 N a finger, and around the can's 46 mm
    this asks for about 6 N: it lifts, and does not press. squeeze: asked for to press the handle; pressing: below this it is being
    pressed. open: above this the hand is open. yaw: radians from the can's x axis to the tool's.
    """

    height: Offset = 0.160
    gripped: Opening = 0.66
    light: Opening = 0.545
    squeeze: Opening = 0.08
    pressing: Opening = 0.5
    open: Opening = 0.9
    yaw: Angle = -np.pi / 2

    def take(self) -> Take:
        """The skill's part of it."""
        return Take(CAN, self.height, self.yaw, self.light, self.gripped, _way, self.open)


GRASPS = {"can": Grasp()}


def script(view: View) -> Skill:
    """One step after the other, each until another is due; the episode's end ends it."""
    while True:
        step = _due(view)
        yield STEPS[step](view, lambda v, step=step: _due(v) != step)


def _due(view: View) -> str:
    """The step that is due."""
    take = view.grasps["can"].take()
    if take.held(view):
        if view.body(CAN)[2] < LIFTED:
            return "lift"
        return "press" if _is_aimed(view) else "aim"
    return take.due(view)


# what is seen


def _is_aimed(view: View) -> bool:
    """The nozzle points at the plant: the jet would hit it, whatever is left to move or turn."""
    leaves = poses.transform(view.body(PLANT), [0.0, 0.0, LEAVES_M])
    ahead, *aside = poses.transform(poses.inverse(view.body(NOZZLE)), leaves)
    wide = WIDER if view.opening < view.grasps["can"].pressing else 1.0
    return bool(np.hypot(*aside) < wide * MISS and abs(ahead - DISTANCE_M) < wide * DEPTH)


# where to


def _aimed(view: View) -> np.ndarray:
    """Pose (7,) of the can, base frame, in which its nozzle points level, from where the can is, at the middle of the
    leaves."""
    plant, can = view.body(PLANT), view.body(CAN)
    heading = float(np.arctan2(*(plant - can)[1::-1]))
    ahead = np.array([np.cos(heading), np.sin(heading), 0.0])
    nozzle = poses.compose(poses.inverse(can), view.body(NOZZLE))[:3]  # in the can's frame
    position = plant[:3] - (DISTANCE_M + nozzle[0]) * ahead
    position[2] = max(plant[2] + LEAVES_M - nozzle[2], CARRY)
    return poses.pose(position, rotation.exp([0.0, 0.0, heading]))


def _way(view: View, turn: float) -> list[np.ndarray]:
    """Tool poses from the grasp to where the nozzle points at the plant."""
    can, end = view.body(CAN), _aimed(view)
    grasp: Grasp = view.grasps["can"]
    yaw, bend = yaw_of(can) + grasp.yaw + turn, wrap(yaw_of(end) - yaw_of(can))
    way = []
    for share in np.linspace(0.0, 1.0, 5):
        position = can[:3] + share * (end - can)[:3]
        way.append(top_down([*position[:2], grasp.height + (CARRY if share else 0.0)], yaw + share * bend))
    return way


# the steps


def _lift(view: View, until: Callable[[View], bool]) -> Goal:
    here = view.tool.copy()
    here[2] += CARRY - view.body(CAN)[2]
    light = view.grasps["can"].light
    return Goal(
        lambda v: here, hand=light, speed=0.2, acceleration=SLOW_M_S2, near=0.0, until=until, target=CAN, noise=0.0
    )


def _aim(view: View, until: Callable[[View], bool]) -> Goal:
    held = poses.compose(poses.inverse(view.body(CAN)), view.tool)  # asked once: in a grip it does not slip
    return Goal(
        lambda v: poses.compose(_aimed(v), held), hand=view.grasps["can"].light, speed=0.25, angular_speed=0.8,
        acceleration=SLOW_M_S2, near=0.0, until=until, target=PLANT, noise=NOISE,
    )  # fmt: skip


def _press(view: View, until: Callable[[View], bool]) -> Goal:
    squeeze = view.grasps["can"].squeeze
    return Goal(stay(view), hand=squeeze, near=0.0, until=until, target=HANDLE, noise=0.0)


def _taking(name: str) -> Callable[[View, Callable[[View], bool]], Goal]:
    """The step `name` of taking the can."""
    return lambda view, until: view.grasps["can"].take().steps[name](view, until)


# what is above the grasp is a can's head 0.045 m high; the fingers close along the can's x, with 17 mm to either side on the way down
STEPS: dict[str, Callable[[View, Callable[[View], bool]], Goal]] = {
    **{name: _taking(name) for name in Take.STEPS},
    "lift": _lift,
    "aim": _aim,
    "press": _press,
}
