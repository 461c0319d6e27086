"""Skills: open and close a drawer by its bar handle, from above."""

from dataclasses import dataclass

import numpy as np

from vipa.commanders.expert.goal import Angle, Ended, Goal, Offset, Opening, Skill
from vipa.commanders.expert.skills.reach import CLEAR_M, best_yaw, lined_up, raise_tool, top_down, travel, yaw_of
from vipa.commanders.expert.view import View
from vipa.geometry.poses import directions

ABOVE_M = 0.07  # metres over the bar, where the hand is lined up
SLOW_M_S2 = 0.4  # m/s²
TOUCH_M_S = 0.05  # m/s at which closed fingers meet the bar: faster, they knock
CLEARANCE_M = 0.045  # metres in front of the bar from which closed fingers push


@dataclass(frozen=True)
class Bar:
    """How a hand takes a bar handle from above.

    height: metres of the tool over the bar's centre: the hand's body stays clear of the cabinet's top. opening: of the hand around
    the bar: wide open, a finger would not fit between bar and panel. grip: opening asked for around the 14 mm bar, which presses with
    some 10 N. The drawer runs on its own straight line, and a stiff arm never quite on it: a firmer grip would turn the difference into
    force on the wrist, this one slides along the bar and still pulls. push: opening of the hand that pushes. turn: radians of the tool about the vertical
    against the bar, None: there or half a turn on, whichever the arm reaches with less motion.
    """

    height: Offset = 0.004
    opening: Opening = 0.55
    grip: Opening = 0.14
    push: Opening = 0.0
    turn: Angle | None = None

    def yaw(self, view: View, at, yaw: float) -> float:
        """Angle of the tool's x axis at a bar at `at` (3,) whose own is `yaw`."""
        return best_yaw(view, at, yaw) if self.turn is None else yaw + self.turn


def _axes(view: View, handle: str) -> tuple[np.ndarray, float]:
    """Direction (3,) in which the drawer opens, base frame, and the yaw at which the fingers close around the bar."""
    bar = view.body(handle)
    return directions(bar, [0.0, -1.0, 0.0]), yaw_of(bar)


def open_by_handle(view: View, handle: str, joint: str, goal: float, bar: Bar) -> Skill:
    """Grasps the bar `handle` (its x axis along the bar, y into the cabinet) and pulls until the scalar `joint` is
    beyond `goal` metres. Returns whether it is."""
    out, yaw = _axes(view, handle)
    turn = bar.yaw(view, view.body(handle)[:3], yaw)

    def at(height: float):
        return lambda v: top_down(v.body(handle)[:3] + [0.0, 0.0, height], turn)

    yield from travel(view, lambda v: top_down([*v.body(handle)[:2], CLEAR_M], turn), bar.opening, target=handle)
    yield Goal(at(ABOVE_M), hand=bar.opening, speed=0.3, near=0.005, near_angle=0.03, target=handle)
    ended = yield Goal(
        lined_up(at(bar.height), ABOVE_M),
        hand=bar.opening,
        speed=0.15,
        near=0.004,
        near_angle=0.04,
        timeout=4.0,
        target=handle,
        noise=0.0,
    )
    if ended is Ended.TIMEOUT:
        yield from raise_tool(view, bar.opening)
        return False
    here = view.tool.copy()
    yield Goal(lambda v: here, hand=bar.grip, near=0.02, settle=0.5, timeout=1.5, target=handle, noise=0.0)
    pulled = here.copy()
    pulled[:3] += out * (goal + 0.008 - view.scalar(joint))
    yield Goal(
        lambda v: pulled, hand=bar.grip, speed=0.2, acceleration=SLOW_M_S2, near=0.004, near_angle=0.2, timeout=5.0,
        target=handle, noise=0.0, until=lambda v: v.scalar(joint) > goal or not v.touched(handle),
    )  # fmt: skip
    here = view.tool.copy()
    yield Goal(lambda v: here, hand=bar.opening, near=0.03, settle=0.4, timeout=1.0, target=handle, noise=0.0)
    yield from raise_tool(view, bar.opening, speed=0.25)
    return view.scalar(joint) > goal - 0.02


def push_shut(view: View, handle: str, joint: str, goal: float, bar: Bar) -> Skill:
    """Pushes the bar `handle` with closed fingers until the scalar `joint` is below `goal` metres. Returns whether it
    is."""
    out, yaw = _axes(view, handle)
    turn = bar.yaw(view, view.body(handle)[:3], yaw)

    def before(distance: float, height: float):
        return lambda v: top_down(v.body(handle)[:3] + out * distance + [0.0, 0.0, height], turn)

    yield from travel(
        view,
        lambda v: top_down([*(v.body(handle)[:3] + out * CLEARANCE_M)[:2], CLEAR_M], turn),
        bar.push,
        target=handle,
    )
    # beside the line over that place a finger would come down on the bar
    ended = yield Goal(
        lined_up(before(CLEARANCE_M, bar.height), ABOVE_M),
        hand=bar.push,
        speed=0.3,
        near=0.008,
        near_angle=0.06,
        target=handle,
        noise=0.0,
    )
    if ended is Ended.TIMEOUT:
        yield from raise_tool(view, bar.push)
        return False
    touch = view.tool.copy()
    touch[:3] -= out * 2 * CLEARANCE_M
    yield Goal(
        lambda v: touch, hand=bar.push, speed=TOUCH_M_S, until=lambda v: v.touched(handle), target=handle, noise=0.0
    )
    end = view.tool.copy()
    end[:3] -= out * (view.scalar(joint) - 0.5 * goal)
    yield Goal(
        lambda v: end,
        hand=bar.push,
        speed=0.2,
        acceleration=SLOW_M_S2,
        near=0.004,
        near_angle=0.2,
        timeout=5.0,
        target=handle,
        noise=0.0,
        until=lambda v: v.scalar(joint) < goal,
    )
    back = view.tool.copy()
    back[:3] += out * 0.03
    yield Goal(
        lambda v: back, hand=bar.push, speed=0.2, near=0.01, near_angle=0.2, timeout=2.0, target=handle, noise=0.0
    )
    yield from raise_tool(view, bar.push)
    return view.scalar(joint) < goal
