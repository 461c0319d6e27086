"""Script: pick up the cloth, wipe the marks off the board.

What comes next follows from what is seen alone, never from what came before. On the board the cloth goes to the ink that is nearest to its
middle, and rubs to and fro where it already is: so it eats its way along the marks, and back to whatever it left. Motion holds the
force; the script's path lies on the surface.
"""

from collections.abc import Callable

import numpy as np

from vipa.commanders.expert.goal import Goal, Skill
from vipa.commanders.expert.skills.reach import top_down, wrap, yaw_of
from vipa.commanders.expert.skills.take import Take
from vipa.commanders.expert.view import View

CLOTH, BOARD, MARK = "cloth", "board", "mark"
LENGTH, WIDTH = 0.090, 0.046  # metres of the folded cloth
GRASP_M = 0.020  # metres of the tool above the cloth's sole
LIFTED, LIFT = (
    0.055,
    0.085,
)  # metres of the sole above the table: beside the board it is carried from here on, lifted to there
HOVER_M = 0.065  # metres of the sole above the board at which the cloth is carried
OVER_M = 0.04  # metres beside where it is to wipe, within which it is lowered; half-way down, wherever it is
LOW, CONTACT = 0.015, 0.003  # metres of the sole above the board below which it is set down gently, and wipes
OUTSIDE_M = 0.015  # metres that the cloth's middle may be beyond the white and still be over the board
OVERHANG_M = 0.008  # metres that it may reach over the white's edge
NEARBY_M = 0.010  # metres: ink that is nearer to the cloth's middle than this is under it, and rubbed
RUB_M = 0.040  # metres of the way to and fro
CLEAN = 0.05  # square centimetres of ink that nobody would wipe any more
CARRYING, LOWERING, TOUCHING, WIPING = 0.3, 0.08, 0.03, 0.08  # m/s; motion allows 0.1 near what may be touched
SLOW_M_S2 = 0.6  # m/s², straight up and down with the cloth in the hand


def script(view: View) -> Skill:
    """One step after the other, each until another is due; the episode's end ends it."""
    while True:
        step = _due(view)
        yield STEPS[step](view, lambda v, step=step: _due(v) != step)


def _due(view: View) -> str:
    """The step that is due."""
    if not TAKE.held(view):
        return TAKE.due(view)
    if view.scalar("ink") < CLEAN:
        return "leave"
    if not _is_over_board(view):
        return "lift" if view.body(CLOTH)[2] < LIFTED else "carry"
    if _height(view) < CONTACT:
        return "wipe"
    if _height(view) < LOW:
        return "touch"
    beside = np.linalg.norm(_within(view, view.body(MARK)[:2]) - view.body(CLOTH)[:2])
    return "lower" if beside < OVER_M or _height(view) < HOVER_M / 2 else "carry"


# what is seen


def _height(view: View) -> float:
    """Metres of the cloth's sole above the board."""
    return float(view.body(CLOTH)[2] - _surface(view))


def _surface(view: View) -> float:
    return float(view.body(BOARD)[2] + view.scalar("board_z"))


def _half(view: View) -> np.ndarray:
    """(2,) metres: half the white's edges."""
    return np.array([view.scalar("board_x"), view.scalar("board_y")])


def _is_over_board(view: View) -> bool:
    """The cloth's middle is over the white, or nearly."""
    return bool((np.abs(view.body(CLOTH)[:2] - view.body(BOARD)[:2]) < _half(view) + OUTSIDE_M).all())


def _within(view: View, place: np.ndarray) -> np.ndarray:
    """(2,) metres: the place of the cloth's middle that is nearest to `place` (2,) and keeps the cloth on the white."""
    room = _half(view) - np.array([LENGTH, WIDTH]) / 2 + OVERHANG_M
    return np.clip(place, view.body(BOARD)[:2] - room, view.body(BOARD)[:2] + room)


def _next(view: View) -> np.ndarray:
    """(2,) metres: where the cloth's middle shall slide to."""
    mark, cloth = view.body(MARK)[:2], view.body(CLOTH)[:2]
    off = cloth - mark
    distance = float(np.linalg.norm(off))
    if distance > NEARBY_M:
        return _within(view, mark)
    # the ink is under the cloth: away from it, until it is wiped off or comes out at the edge
    inward = view.body(BOARD)[:2] - mark
    if distance > 0.003:
        way = off / distance
    elif np.linalg.norm(inward) > 0.01:
        way = inward / np.linalg.norm(inward)
    else:
        way = np.array([0.0, 1.0])
    return _within(view, mark + RUB_M * way)


# where to


def _carrying(view: View) -> Callable[[View, np.ndarray, float], np.ndarray]:
    """Tool pose (7,) that brings the cloth, as it hangs in the hand now, over a place (2,) with its sole at a height, along the board."""
    cloth, tool = view.body(CLOTH), view.tool
    up, askew = float(tool[2] - cloth[2]), yaw_of(tool) - yaw_of(cloth)
    c, s = np.cos(-yaw_of(cloth)), np.sin(-yaw_of(cloth))
    beside = np.array([[c, -s], [s, c]]) @ (tool[:2] - cloth[:2])  # in the cloth's frame

    def pose(view: View, place: np.ndarray, height: float) -> np.ndarray:
        along = yaw_of(view.body(BOARD))
        if abs(wrap(yaw_of(view.body(CLOTH)) - along)) > np.pi / 2:  # either way round
            along += np.pi
        c, s = np.cos(along), np.sin(along)
        return top_down([*(place + np.array([[c, -s], [s, c]]) @ beside), height + up], along + askew)

    return pose


def _way(view: View, turn: float) -> list[np.ndarray]:
    """Tool poses after the grasp: over the board's corners, the cloth along it."""
    yaw = yaw_of(view.body(CLOTH))
    along = yaw_of(view.body(BOARD))
    if abs(wrap(yaw - along)) > np.pi / 2:
        along += np.pi
    room, middle = _half(view) - np.array([LENGTH, WIDTH]) / 2, view.body(BOARD)[:2]
    height = _surface(view) + GRASP_M
    corners = [middle + room * sides for sides in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return [top_down([*place, height], along + TAKE.yaw + turn) for place in (middle, *corners)]


# the steps


def _lift(view: View, until: Callable[[View], bool]) -> Goal:
    here = view.tool.copy()
    here[2] += LIFT - view.body(CLOTH)[2]
    return Goal(
        lambda v: here,
        hand=TAKE.hand,
        speed=0.2,
        acceleration=SLOW_M_S2,
        near=0.0,
        until=until,
        target=CLOTH,
        noise=0.0,
    )


def _carry(view: View, until: Callable[[View], bool]) -> Goal:
    pose = _carrying(view)
    return Goal(
        lambda v: pose(v, _within(v, v.body(MARK)[:2]), _surface(v) + HOVER_M), hand=TAKE.hand, speed=CARRYING,
        angular_speed=0.8, near=0.0, until=until, target=MARK,
    )  # fmt: skip


def _lower(view: View, until: Callable[[View], bool], speed: float = LOWERING) -> Goal:
    pose = _carrying(view)
    return Goal(
        lambda v: pose(v, _within(v, v.body(MARK)[:2]), _surface(v)), hand=TAKE.hand, speed=speed, angular_speed=0.8,
        acceleration=SLOW_M_S2, near=0.0, until=until, target=MARK, pressed=True,
    )  # fmt: skip


def _touch(view: View, until: Callable[[View], bool]) -> Goal:
    return _lower(view, until, TOUCHING)


def _wipe(view: View, until: Callable[[View], bool]) -> Goal:
    pose = _carrying(view)
    return Goal(
        lambda v: pose(v, _next(v), _surface(v)), hand=TAKE.hand, speed=WIPING, angular_speed=0.6, near=0.0, until=until,
        target=MARK, pressed=True,
    )  # fmt: skip


def _leave(view: View, until: Callable[[View], bool]) -> Goal:
    """Nothing is left to wipe: up from the board, and out of the sight of who looks at it."""
    here, home = view.tool.copy(), view.kinematics.forward(np.asarray(view.kinematics.spec.home))

    def pose(view: View) -> np.ndarray:
        if not _is_over_board(view) or _height(view) > HOVER_M / 2:
            return home
        return np.array([*here[:2], view.tool[2] + _surface(view) + HOVER_M - view.body(CLOTH)[2], *here[3:]])

    return Goal(pose, hand=TAKE.hand, speed=0.1, acceleration=SLOW_M_S2, near=0.0, until=until, target=CLOTH)


TAKE = Take(CLOTH, GRASP_M, yaw=0.0, hand=0.42, gripped=0.66, way=_way)
STEPS: dict[str, Callable[[View, Callable[[View], bool]], Goal]] = TAKE.steps | {
    "lift": _lift,
    "carry": _carry,
    "lower": _lower,
    "touch": _touch,
    "wipe": _wipe,
    "leave": _leave,
}
