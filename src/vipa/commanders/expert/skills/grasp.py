"""Skill: grasp. An object from above, with a look at whether it was caught."""

from collections.abc import Callable

import numpy as np

from vipa.commanders.expert.goal import Ended, Goal, Skill
from vipa.commanders.expert.skills.reach import CLEAR_M, best_yaw, lined_up, top_down, travel
from vipa.commanders.expert.view import View

ABOVE_M = 0.08  # metres over the grasp, where the hand is lined up
CLOSING = 0.6  # full strokes a second: the finger that comes first shall push the object over, not jam it
CAUGHT_M = 0.02  # metres that an object must have come up to count as lifted


def from_above(
    view: View, name: str, yaw: Callable[[View], float], depth: float = 0.0, opening: float = 1.0, lowest: float = 0.018,
    half: bool = True,
) -> Skill:  # fmt: skip
    """Grasps the body `name` from above and lifts it. Returns whether it hangs in the hand.

    yaw: angle of the tool's x axis in the base frame; half: or half a turn more, as it does where the arm
    cannot turn its hand so. depth: metres of the tool below the body's
    origin, lowest: and not below this. opening: 0..1 before the grasp.
    """
    turn, at = yaw(view), view.body(name)[:3]
    if half or view.kinematics.solve(top_down(at, turn), view.state.positions, restarts=0) is None:
        turn = best_yaw(view, at, turn)

    def over(height: float):
        def goal(view: View) -> np.ndarray:
            at = view.body(name)[:3]
            return top_down([at[0], at[1], max(at[2] - depth, lowest) + height], turn)

        return goal

    yield from travel(view, lambda v: top_down([*view.body(name)[:2], CLEAR_M - 0.06], turn), opening, target=name)
    ended = yield Goal(over(ABOVE_M), hand=opening, speed=0.35, near=0.004, near_angle=0.03, target=name)
    if ended is Ended.TIMEOUT:
        return False
    start = view.body(name)[2]
    ended = yield Goal(
        lined_up(over(0.0), ABOVE_M), hand=opening, speed=0.18, near=0.004, timeout=4.0, target=name, noise=0.0
    )
    if ended is Ended.TIMEOUT:
        return False
    here = view.tool.copy()
    caught = yield Goal(
        lambda v: here,
        hand=0.0,
        hand_speed=CLOSING,
        near=0.02,
        settle=2.5,
        until=_held_for(name, 0.25),
        timeout=2.5,
        target=name,
        noise=0.0,
    )
    if caught is not Ended.UNTIL:
        return False
    up = here.copy()
    up[2] += 0.10
    yield Goal(lambda v: up, hand=0.0, speed=0.3, near=0.02, target=name, noise=0.0)
    return bool(view.grasped(name) and view.body(name)[2] > start + CAUGHT_M)


def _held_for(name: str, seconds: float) -> Callable[[View], bool]:
    """True once all fingers have touched `name` for `seconds`."""
    since: list[float] = []

    def until(view: View) -> bool:
        if not view.grasped(name):
            since.clear()
            return False
        since.append(view.now)
        return view.now - since[0] >= seconds

    return until
