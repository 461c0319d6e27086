"""Skill: place. What hangs in the hand, into a container from above."""

from collections.abc import Callable

import numpy as np

from vipa.commanders.expert.goal import Ended, Goal, Skill
from vipa.commanders.expert.skills.reach import CLEAR_M, best_yaw, raise_tool, top_down
from vipa.commanders.expert.view import View

OUT_M = 0.08  # metres straight up that bring the fingers out of the container


def from_above(
    view: View, name: str, spot: Callable[[View], np.ndarray], yaw: float, release: float, opening: float
) -> Skill:
    """Carries the body `name`, which the hand holds, over `spot`, lowers it and lets go. Returns whether it was still
    held.

    spot: (3,) metres, base frame, of the tool at the release, of the view. yaw: as in reach.top_down, or half a turn
    more. release: metres above the spot at which the fingers open. opening: 0..1 to let go.
    """
    turn = best_yaw(view, spot(view), yaw)

    def over(height: float):
        return lambda v: top_down(spot(v) + [0.0, 0.0, height], turn)

    def lost(v: View) -> bool:
        return not v.grasped(name)

    yield from raise_tool(view, 0.0, target=name)
    clear = CLEAR_M - spot(view)[2]
    ended = yield Goal(
        over(clear), hand=0.0, speed=0.45, angular_speed=1.6, near=0.02, near_angle=0.1, until=lost, target=name
    )
    if ended is Ended.UNTIL:
        return False
    # beside the container's walls there is no room for disturbances
    ended = yield Goal(
        over(release), hand=0.0, speed=0.25, near=0.008, near_angle=0.06, until=lost, target=name, noise=0.0
    )
    if ended is Ended.UNTIL:
        return False
    here = view.tool.copy()
    yield Goal(
        lambda v: here, hand=opening, near=0.03, settle=0.6, until=lambda v: not v.touched(name), timeout=1.5,
        target=name, noise=0.0,
    )  # fmt: skip
    out = here.copy()
    out[2] += OUT_M
    yield Goal(lambda v: out, hand=opening, speed=0.3, near=0.02, near_angle=0.2, target=name, noise=0.0)
    yield from raise_tool(view, opening, target=name)
    return True
