"""Skill: take. An object from above, without memory: which step is due follows from what is seen alone, so that a policy that learns
from it can follow, and what was undone is done again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vipa.commanders.expert.goal import Goal
from vipa.commanders.expert.skills.reach import CLEAR_M, best_turn, lined_up, stay, top_down, wrap, yaw_of
from vipa.commanders.expert.view import View
from vipa.geometry import poses, rotation

FINGER_M = 0.05  # metres from the tool's axis to the open fingers
DOWN_M_S = 0.15  # m/s on the way down to an object
NOISE = 0.3  # share of the disturbances on the way down, where the fingers are close beside the object

Until = Callable[[View], bool]


@dataclass(frozen=True)
class Take:
    """How a body is taken from above; lengths in metres, angles in radians.

    body: of the scene. height: of the tool above the body's origin in the grasp. yaw: of the tool's x axis from the body's, half a turn
    more is the same grasp. hand: opening that is asked for in the grasp; gripped: opening below which, with a finger on the body, it
    is held; open: opening above which the hand is open. way: tool poses that come after the grasp, of the view and of the grasp's turn
    (0 or half a turn): the grasp is chosen with which the arm reaches them.

    above: over the grasp, where the hand is lined up. over: beside the line within which it goes down; near: within which it goes
    all the way. low, beside, turned: nearer to the grasp than this the fingers are around the body, and close: wider than the way down, for
    a learner that had to come nearer than it can see would never close. alike: the body is the same from all sides, or lies so that `yaw` will
    do from the base frame's x axis.
    """

    body: str
    height: float
    yaw: float
    hand: float
    gripped: float
    way: Callable[[View, float], list[np.ndarray]]
    open: float = 0.9
    above: float = 0.08
    over: float = 0.04
    near: float = 0.012
    low: float = 0.015
    beside: float = 0.025
    turned: float = 0.25
    alike: bool = False

    STEPS: ClassVar[tuple[str, ...]] = ("raise", "reach", "descend", "open", "close")

    def held(self, view: View) -> bool:
        """The body is in the hand."""
        return view.touched(self.body) and view.opening < self.gripped

    def due(self, view: View) -> str:
        """The step that is due while the body is not held: a key of `steps`."""
        off, up, turned = self._from_grasp(view)
        if turned < self.turned and abs(up) < self.low and off < self.beside:
            return "close"
        if view.opening < self.open:
            return "open"
        if off < self.over and -2 * self.near < up < CLEAR_M and turned < 2 * self.turned:
            return "descend"
        return "raise" if up < self.above - self.near else "reach"

    @property
    def steps(self) -> dict[str, Callable[[View, Until], Goal]]:
        """Goals by the name of the step, of the view at its beginning and until when."""
        return {
            "raise": self._raise,
            "reach": self._reach,
            "descend": self._descend,
            "open": self._open,
            "close": self._close,
        }

    def over_grasp(self, view: View, turn: float, height: float) -> np.ndarray:
        """Tool pose (7,) `height` metres over the grasp."""
        position = poses.transform(view.body(self.body), [0.0, 0.0, self.height])
        lies = 0.0 if self.alike else yaw_of(view.body(self.body))
        return top_down(position + [0.0, 0.0, height], lies + self.yaw + turn)

    def _nearest_turn(self, view: View) -> float:
        away = wrap(yaw_of(view.tool) - yaw_of(self.over_grasp(view, 0.0, 0.0)))
        return 0.0 if abs(away) < np.pi / 2 else np.pi

    def _from_grasp(self, view: View) -> tuple[float, float, float]:
        """How far the tool is beside the grasp and above it, and turned from it."""
        grasp = self.over_grasp(view, self._nearest_turn(view), 0.0)
        off = float(np.hypot(*(view.tool[:2] - grasp[:2])))
        return off, float(view.tool[2] - grasp[2]), float(np.linalg.norm(rotation.difference(grasp[3:], view.tool[3:])))

    def _raise(self, view: View, until: Until) -> Goal:
        at = view.tool.copy()

        def goal(view: View) -> np.ndarray:
            return np.array([*at[:2], self.over_grasp(view, 0.0, self.above)[2], *at[3:]])

        return Goal(goal, speed=0.4, near=0.0, until=until, target=self.body)

    def _reach(self, view: View, until: Until) -> Goal:
        turn = best_turn(view, lambda turn: [self.over_grasp(view, turn, self.above), *self.way(view, turn)])
        return Goal(
            lambda v: self.over_grasp(v, turn, 2 * self.above), speed=0.5, angular_speed=1.6, near=0.0, until=until,
            target=self.body,
        )  # fmt: skip

    def _descend(self, view: View, until: Until) -> Goal:
        turn = self._nearest_turn(view)
        goal = lined_up(lambda v: self.over_grasp(v, turn, 0.0), self.above, self.near, FINGER_M)
        return Goal(goal, speed=DOWN_M_S, near=0.0, until=until, target=self.body, noise=NOISE)

    def _open(self, view: View, until: Until) -> Goal:
        """Whatever it holds or not: up and open."""
        at = view.tool.copy()

        def goal(view: View) -> np.ndarray:
            return np.array([*at[:2], max(at[2], self.over_grasp(view, 0.0, self.above)[2]), *at[3:]])

        return Goal(goal, speed=0.2, near=0.0, until=until, target=self.body)

    def _close(self, view: View, until: Until) -> Goal:
        return Goal(stay(view), hand=self.hand, near=0.0, until=until, target=self.body, noise=0.0)
