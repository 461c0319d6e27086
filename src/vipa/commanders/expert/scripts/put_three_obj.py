"""Script: open the drawer, put apple, banana and plum into it, close it."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from vipa.commanders.expert.goal import Angle, Offset, Opening, Skill
from vipa.commanders.expert.skills import drawer, grasp, place
from vipa.commanders.expert.skills.drawer import Bar
from vipa.commanders.expert.skills.reach import raise_tool, yaw_of
from vipa.commanders.expert.view import View
from vipa.config import Range
from vipa.geometry import poses

HANDLE, JOINT = "drawer_handle", "drawer"
OPEN, SHUT = 0.20, 0.008  # metres: how far it is pulled and pushed
USABLE_M = 0.15  # metres of opening below which it is pulled again
SUBTASKS = ("open drawer", "pick & place apple", "pick & place banana", "pick & place plum", "close drawer")
ROUNDS = 3  # tries for everything that did not work


@dataclass(frozen=True)
class Fruit:
    """How a hand takes a fruit and puts it down. spot: where it goes, metres in the drawer's frame (x along its width, y into the
    cabinet). depth: metres of the tool below the fruit; lowest: of the tool above the table at least. opening: 0..1 before the grasp;
    release: to let go. over: metres of the tool over the drawer's floor at which it lets go: the hand's body passes over the side walls.
    across: radians from the drawer's depth to the tool's x axis there. turn: radians from the fruit's x axis to the tool's in the
    grasp, None: there or half a turn on, whichever the arm reaches with less motion."""

    spot: tuple[Offset, Offset] = (0.0, 0.0)
    depth: Offset = 0.0
    lowest: Annotated[float, Range(0, 0.3)] = 0.018
    opening: Opening = 1.0
    release: Opening = 0.8
    over: Annotated[float, Range(0, 0.3)] = 0.066
    across: Angle = np.pi / 2
    turn: Angle | None = None

    def __post_init__(self):
        if len(self.spot) != 2:
            raise ValueError(f"spot: {list(self.spot)}; allowed: two numbers")


GRASPS = {
    "handle": Bar(),
    "apple": Fruit(spot=(-0.075, -0.03), depth=-0.006, release=1.0),  # it fills the hand
    "banana": Fruit(spot=(0.0, -0.02), depth=0.002),
    "plum": Fruit(spot=(0.080, -0.03)),
}
FRUITS = ("apple", "banana", "plum")


def script(view: View) -> Skill:
    """Everything that is not done yet, in the task's order, and again what failed."""
    for _ in range(ROUNDS):
        for fruit in FRUITS:
            if view.done(f"pick & place {fruit}"):
                continue
            if view.scalar(JOINT) < USABLE_M:
                yield from drawer.open_by_handle(view, HANDLE, JOINT, OPEN, view.grasps["handle"])
            yield from _put(view, fruit)
        if all(view.done(f"pick & place {fruit}") for fruit in FRUITS):
            break
    for _ in range(ROUNDS):
        if (yield from drawer.push_shut(view, HANDLE, JOINT, SHUT, view.grasps["handle"])):
            return True
    return False


def _put(view: View, fruit: str) -> Skill:
    taken: Fruit = view.grasps[fruit]
    held = yield from grasp.from_above(
        view, fruit, lambda v: _grasp_yaw(v, fruit) + (taken.turn or 0.0), taken.depth, taken.opening, taken.lowest,
        half=taken.turn is None,
    )  # fmt: skip
    if not held:
        yield from raise_tool(view, 1.0)
        return False

    def spot(view: View) -> np.ndarray:
        return poses.transform(view.body("drawer"), [*taken.spot, taken.over])

    # fingers close along the drawer's width: the hand is broad in that direction only
    across = yaw_of(view.body("drawer")) + taken.across
    return (yield from place.from_above(view, fruit, spot, across, 0.0, taken.release))


def _grasp_yaw(view: View, fruit: str) -> float:
    """Across the banana; a ball is the same from all sides, and at 0 its neighbours are farthest from the fingers'
    line."""
    return yaw_of(view.body(fruit)) if fruit == "banana" else 0.0
