"""Relief: what an arm does that was stopped because it presses too hard. It lets go, and backs off along the way it came.

What the arm is commanded to lies deeper in the contact than where it is measured, by its speed times the time to brake; held
there, it would press for ever. So it goes to where it was measured before the contact; then, while the load is above Load's RELEASE_SHARE,
the goal goes back along the path that was measured on the way in. The gate plans and verifies every one of these moves inside the
limits of every other movement: a command that jumps is one that a real robot's own controller refuses, and then it presses on.
"""

from collections import deque

import numpy as np

from vipa.robot.kinematics import Kinematics

SPACING_M = 0.001  # metres that the tool may move at most between two points of the way back
MAX_RETREAT_M = 0.10  # metres of the way back, at most; the tool's are two thirds of it or less
RETREAT_AT_ONCE_M = 0.005  # metres that it goes back at once
# seconds from a contact to its wrench: so much of the way was pressed already, at the speed it had
WRENCH_DELAY_S = 0.04
SPEED_M_S = 0.15  # m/s of the goal along the way back


class Relief:
    """The ways back of all arms, and how far they are gone. dt: seconds of a tick. Not for several threads."""

    def __init__(self, kinematics: Kinematics, dt: float):
        self.kinematics, self.dt = kinematics, dt
        self.clear()

    def clear(self) -> None:
        """The arms stand where they are commanded: no way back is known, nothing is to be relieved."""
        points = round(MAX_RETREAT_M / SPACING_M) + 1
        self._ways: dict[str, deque[np.ndarray]] = {g.name: deque(maxlen=points) for g in self.kinematics.robot.arms}
        self._goals: dict[str, np.ndarray] = {}
        self._left = dict.fromkeys(self._ways, MAX_RETREAT_M)  # metres that an arm may still go back

    def record(self, q: np.ndarray, loaded: set[str]) -> None:
        """The arms are measured at `q` (n,) and are not stopped. loaded: those whose tool bears more than it does when it is free."""
        for name, way in self._ways.items():
            here = q[self.kinematics.columns[name]]
            if name not in loaded and (not way or self._travel(name, way[-1], here) > SPACING_M):
                way.append(here.copy())

    def goals(self, q: np.ndarray, v: np.ndarray, pressing: set[str]) -> dict[str, np.ndarray]:
        """Joints (J,) to go to, of every arm that has pressed too hard since `clear`: where it was free last, and from there
        back. Once a tick.

        q: (n,) measured: the goal of an arm that was never free. v: (n,) rad/s at which it came, commanded. pressing: the arms
        that press too hard now.
        """
        for name in pressing:
            way, columns = self._ways[name], self.kinematics.columns[name]
            if name in self._goals:
                self._goals[name] = self._back(name, self._goals[name], SPEED_M_S * self.dt)
            else:
                last = way.pop() if way else q[columns].copy()
                speed = float(self.kinematics.groups[name].reach @ np.abs(v[columns]))
                self._goals[name] = self._back(name, last, RETREAT_AT_ONCE_M + WRENCH_DELAY_S * speed)
        return dict(self._goals)

    def _back(self, name: str, goal: np.ndarray, left: float) -> np.ndarray:
        """`goal` (J,), up to `left` metres further back along the way, as far as there is one and MAX_RETREAT_M lasts."""
        way, left = self._ways[name], min(left, self._left[name])
        while way and left > 0:
            length = self._travel(name, goal, way[-1])
            step = min(length, left)
            goal = goal + (way[-1] - goal) * (step / length if length else 0.0)
            left, self._left[name] = left - step, self._left[name] - step
            if step == length:
                way.pop()
        return goal

    def _travel(self, name: str, a: np.ndarray, b: np.ndarray) -> float:
        """Metres that the tool moves at most from the joints `a` (J,) to `b`."""
        return float(self.kinematics.groups[name].reach @ np.abs(b - a))
