"""Script: take the fruit that the task's sub-task names, and lift it. In the same scene another task means another fruit: which one is
told by the instruction alone. Without memory, like Water-Plant's."""

from collections.abc import Callable

from vipa.commanders.expert.goal import Goal, Skill
from vipa.commanders.expert.skills.take import Take
from vipa.commanders.expert.view import View

LIFT_M = 0.12  # metres over the grasp
SLOW_M_S2 = 0.6  # m/s², straight up with a fruit in the hand


def script(view: View) -> Skill:
    """One step after the other, each until another is due; the episode's end ends it."""
    while True:
        fruit, step = _due(view)
        steps = TAKES[fruit].steps | {"lift": _lift}
        yield steps[step](view, lambda v, now=(fruit, step): _due(v) != now)


def _due(view: View) -> tuple[str, str]:
    """The fruit that is asked for, and the step that is due."""
    fruit = next((fruit for fruit in TAKES if not view.done(f"take {fruit}")), next(iter(TAKES)))
    return fruit, "lift" if TAKES[fruit].held(view) else TAKES[fruit].due(view)


def _lift(view: View, until: Callable[[View], bool]) -> Goal:
    fruit, _ = _due(view)
    here = view.tool.copy()
    here[2] += LIFT_M
    return Goal(
        lambda v: here, hand=TAKES[fruit].hand, speed=0.2, acceleration=SLOW_M_S2, near=0.0, until=until, target=fruit, noise=0.0,
    )  # fmt: skip


def _take(fruit: str, height: float, hand: float, gripped: float) -> Take:
    return Take(fruit, height, yaw=0.0, hand=hand, gripped=gripped, way=lambda view, turn: [], alike=True)


TAKES = {"banana": _take("banana", 0.001, 0.26, 0.58), "plum": _take("plum", 0.0, 0.44, 0.70)}
SUBTASKS = tuple(f"take {fruit}" for fruit in TAKES)
