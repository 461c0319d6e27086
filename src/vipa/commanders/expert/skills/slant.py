"""Skill: a grasp along a slanted line, as an arm reaches for what stands upright. What is due follows from the present state alone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vipa.commanders.expert.goal import Goal
from vipa.commanders.expert.skills.reach import stay
from vipa.commanders.expert.view import View
from vipa.geometry import poses, rotation

BEFORE_M = 0.10  # metres behind the grasp, where the hand is lined up
BACK_M = 0.05  # metres behind the grasp, nearer than which a hand that is not lined up goes back first
STEEP = 5.0  # metres back for every metre beside the line
FINGER_M = 0.05  # metres from the tool's axis to the open fingers
AHEAD_RAD = 0.6  # radians of the joint that has the longest way, by which a reach is led
LED_RAD = 0.6  # radians that the hand is turned from the grasp, from where on a reach is led
OPEN = 0.9  # opening above which the hand is open


def slanted(position, azimuth: float, pitch: float) -> np.ndarray:
    """Tool pose (7,) that points along `azimuth` in the base frame and `pitch` radians below level; the fingers close on a level line,
    its x axis is up."""
    ahead = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    z = np.cos(pitch) * ahead - [0.0, 0.0, np.sin(pitch)]
    y = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    return np.concatenate([position, rotation.from_matrix(np.stack([np.cross(y, z), y, z], axis=1))])


@dataclass(frozen=True)
class Slant:
    """A grasp: where the tool shall be, of the view; and how exactly.

    pose: tool pose (7,) at the grasp, z along the way in. target: body that is grasped. hand: opening that grips it.
    beside, along, low: metres to the side, along the way in (short of it, or past it by twice that) and up or down within which the
    hand closes; turned: radians likewise. near: metres beside the line within which it goes all of the way in; over: within which it
    goes in at all. noise: share of the disturbances on the way in.
    """

    pose: Callable[[View], np.ndarray]
    target: str
    hand: float
    beside: float = 0.018
    along: float = 0.012
    low: float = 0.025
    turned: float = 0.25
    near: float = 0.010
    over: float = 0.035
    noise: float = 0.3

    def off(self, view: View) -> tuple[np.ndarray, float]:
        """Where the tool is in the frame of the grasp (3,), metres: up, to the side, ahead; and how it is turned from it, radians."""
        grasp = self.pose(view)
        place = poses.transform(poses.inverse(grasp), view.tool[:3])
        return place, float(np.linalg.norm(rotation.difference(grasp[3:], view.tool[3:])))

    def due(self, view: View) -> str:
        """The step that is due of a hand that does not hold the target yet."""
        (up, side, ahead), turned = self.off(view)
        within = abs(side) < self.beside and abs(up) < self.low and -self.along < ahead < 2 * self.along
        if within and turned < self.turned:
            return "close"
        if view.opening < OPEN:
            return "open"
        beside = float(np.hypot(up, side))
        lined_up = beside < self.over and turned < 2 * self.turned and -2 * BEFORE_M < ahead < 2 * self.along
        if lined_up and self._folded(view) is not None:
            return "go in"
        return "back" if ahead > -BACK_M and beside < 2 * BEFORE_M else "reach"

    def _folded(self, view: View) -> np.ndarray | None:
        """Joints (J,) at the grasp, as the arm is folded now; None: their limits bar the way, the elbow has turned over."""
        return view.kinematics.solve(self.pose(view), view.state.positions, restarts=0)

    def goal(self, step: str, view: View, until: Callable[[View], bool]) -> Goal:
        """The goal of `step`, until another is due."""
        return {
            "close": self._close,
            "open": self._back,
            "go in": self._go_in,
            "back": self._back,
            "reach": self._reach,
        }[step](view, until)

    def _behind(self, view: View, by: float) -> np.ndarray:
        pose = self.pose(view).copy()
        return np.concatenate([poses.transform(pose, [0.0, 0.0, -by]), pose[3:]])

    def _reach(self, view: View, until) -> Goal:
        """To behind the grasp, along the line of the joints that lead to the fold which is nearest to home: a straight way of the tool
        may turn the elbow over."""
        arm, home = view.kinematics, np.asarray(view.kinematics.spec.home)
        folded = arm.solve(self.pose(view), home)
        start = home if folded is None else folded

        def pose(view: View) -> np.ndarray:
            behind = self._behind(view, BEFORE_M)
            turns = self.off(view)[1] > LED_RAD or self._folded(view) is None
            joints = arm.solve(behind, start, restarts=0) if turns else None
            if joints is None:
                return behind
            way = joints - view.state.positions
            led = arm.forward(view.state.positions + way * min(1.0, AHEAD_RAD / max(float(np.abs(way).max()), 1e-9)))
            return np.concatenate([behind[:3], led[3:]])

        return Goal(pose, speed=0.45, angular_speed=1.6, near=0.0, until=until, target=self.target)

    def _go_in(self, view: View, until) -> Goal:
        def pose(view: View) -> np.ndarray:
            (up, side, _), turned = self.off(view)
            off = float(np.hypot(up, side)) + FINGER_M * turned
            return self._behind(view, min(BEFORE_M, max(0.0, STEEP * (off - self.near))))

        return Goal(pose, speed=0.15, near=0.0, until=until, target=self.target, noise=self.noise)

    def _back(self, view: View, until) -> Goal:
        """Straight back and open, as the hand stands."""
        at = view.tool.copy()
        back = max(0.0, self.off(view)[0][2] + 1.2 * BEFORE_M)
        out = np.concatenate([poses.transform(at, [0.0, 0.0, -back]), at[3:]])
        return Goal(lambda v: out, speed=0.25, near=0.0, until=until, target=self.target, noise=0.0)

    def _close(self, view: View, until) -> Goal:
        return Goal(stay(view), hand=self.hand, near=0.0, until=until, target=self.target, noise=0.0)
