"""Behind: where the arms may be really while they follow a plan, and whether that keeps every pair apart, too.

An arm is behind what it is commanded. Two things may come of it, and both are checked from where the arms are *measured*: all
of them follow late, each joint by its lag, so that together they cut the plan's corners; or one of them does not follow at all
and stands while the others go on.
"""

from collections.abc import Iterable

import numpy as np

from vipa.motion.clearance import Clearance
from vipa.motion.collision import CollisionModel

MAX_LAG_S = 0.06  # seconds, of the first order: up to here the margins hold


class Behind:
    """The gate's second look at a plan. Not for several threads. dt: seconds between the samples of a path."""

    def __init__(self, collisions: CollisionModel, dt: float):
        kinematics = collisions.kinematics
        arms = [kinematics.columns[g.name] for g in kinematics.robot.arms]
        self._standing = arms if len(arms) > 1 else []
        self._clearances = [Clearance(collisions) for _ in range(1 + len(self._standing))]
        self._keep = float(np.exp(-dt / MAX_LAG_S))
        self._weights: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def hold(self, collisions: CollisionModel) -> None:
        """See Clearance.hold."""
        for clearance in self._clearances:
            clearance.hold(collisions)

    def allow(self, contacts: Iterable[tuple[str, str]]) -> None:
        """From now on the pairs of names `contacts` may touch."""
        for clearance in self._clearances:
            clearance.allow(contacts)

    def reset(self) -> None:
        """Forget the floors."""
        for clearance in self._clearances:
            clearance.reset()

    def here(self, q: np.ndarray, measured: np.ndarray, hands: dict[str, np.ndarray]) -> None:
        """The robot is commanded to be at `q` (n,) and measured at `measured` (n,), its hands at the openings `hands`."""
        self._begins = [measured]
        for columns in self._standing:
            begin = q.copy()
            begin[columns] = measured[columns]
            self._begins.append(begin)
        for clearance, begin in zip(self._clearances, self._begins):
            clearance.here(begin, hands)

    def verify(self, path: np.ndarray) -> str:
        """'' if no pair comes nearer than its floor on any way in which the arms may follow the `path` (S, n) from `here`; else
        which does."""
        for clearance, begin, way in zip(self._clearances, self._begins, self._ways(path)):
            if why := clearance.verify(begin, way):
                return f"{why}, as measured"
        return ""

    def hands_pass(self, hands: dict[str, np.ndarray]) -> bool:
        """True if no pair comes nearer than its floor when the hands go to the openings `hands`, the arms as `here`."""
        return all(c.hands_pass(begin, hands) for c, begin in zip(self._clearances, self._begins))

    def _ways(self, path: np.ndarray) -> Iterable[np.ndarray]:
        measured = self._begins[0]
        start, follow = self._late(len(path))
        way = np.empty((len(path) + 1, path.shape[1]))
        way[:-1], way[-1] = start * measured + follow @ path, path[-1]
        yield way
        for columns in self._standing:
            way = path.copy()
            way[:, columns] = measured[columns]
            yield way

    def _late(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights (count, 1) of the measured joints and (count, count) of a path's samples in joints that are MAX_LAG_S behind."""
        if count not in self._weights:
            age = np.arange(count)[:, None] - np.arange(count)
            late = np.where(age >= 0, (1 - self._keep) * self._keep ** np.maximum(age, 0), 0.0)
            self._weights[count] = self._keep ** np.arange(1, count + 1)[:, None], late
        return self._weights[count]
