"""Script: open the drawer, put apple, banana and plum into it, close it."""

import numpy as np

from vipa.commanders.expert.goal import Skill
from vipa.commanders.expert.skills import drawer, grasp, place
from vipa.commanders.expert.skills.reach import raise_tool, yaw_of
from vipa.commanders.expert.view import View
from vipa.geometry import poses

HANDLE, JOINT = "drawer_handle", "drawer"
OPEN, SHUT = 0.20, 0.008  # metres: how far it is pulled and pushed
USABLE = 0.15  # metres of opening below which it is pulled again
SUBTASKS = ("open drawer", "pick & place apple", "pick & place banana", "pick & place plum", "close drawer")
ROUNDS = 3  # tries for everything that did not work

# where each fruit goes, metres in the drawer's frame (x along its width, y into the cabinet), and how wide the hand
# lets go
SPOTS = {"apple": (-0.075, -0.03, 1.0), "banana": (0.0, -0.02, 0.8), "plum": (0.080, -0.03, 0.8)}
DEPTH = {"apple": -0.006, "banana": 0.002, "plum": 0.0}  # metres of the tool below the fruit: the apple fills the hand
RELEASE = 0.066  # metres of the tool over the drawer's floor: the hand's body passes over the side walls


def script(view: View) -> Skill:
    """Everything that is not done yet, in the task's order, and again what failed."""
    for _ in range(ROUNDS):
        for fruit in SPOTS:
            if view.done(f"pick & place {fruit}"):
                continue
            if view.scalar(JOINT) < USABLE:
                yield from drawer.open_by_handle(view, HANDLE, JOINT, OPEN)
            yield from _put(view, fruit)
        if all(view.done(f"pick & place {fruit}") for fruit in SPOTS):
            break
    for _ in range(ROUNDS):
        if (yield from drawer.push_shut(view, HANDLE, JOINT, SHUT)):
            return True
    return False


def _put(view: View, fruit: str) -> Skill:
    held = yield from grasp.from_above(view, fruit, lambda v: _grasp_yaw(v, fruit), DEPTH[fruit])
    if not held:
        yield from raise_tool(view, 1.0)
        return False
    x, y, opening = SPOTS[fruit]

    def spot(view: View) -> np.ndarray:
        return poses.transform(view.body("drawer"), [x, y, RELEASE])

    # fingers close along the drawer's width: the hand is broad in that direction only
    across = yaw_of(view.body("drawer")) + np.pi / 2
    return (yield from place.from_above(view, fruit, spot, across, 0.0, opening))


def _grasp_yaw(view: View, fruit: str) -> float:
    """Across the banana; a ball is the same from all sides, and at 0 its neighbours are farthest from the fingers'
    line."""
    return yaw_of(view.body(fruit)) if fruit == "banana" else 0.0
