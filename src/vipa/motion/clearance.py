"""Clearance: the gate's question whether a path keeps every pair apart by its margin."""

from collections.abc import Iterable

import numpy as np

from vipa.motion.collision import CollisionModel, DistanceField

TOLERANCE_M = 1e-5  # metres: coal's distances repeat to about 1e-6


class Clearance:
    """Distances along sampled joint paths, from `here` on. Not for several threads.

    A pair that is nearer than its margin already keeps a *floor*: its distance may grow, and the floor with it, but not
    shrink again. So a new fixture or a tool that was just grasped does not lock the arms, and they cannot creep in.
    """

    def __init__(self, collisions: CollisionModel):
        self._here, self._ahead = DistanceField(collisions), DistanceField(collisions)
        self.hold(collisions)

    def hold(self, collisions: CollisionModel) -> None:
        """From now on distances are those of `collisions`, and nothing may touch. What is known of pairs that it shares stays known."""
        self.collisions = collisions
        self._here.hold(collisions)
        self._ahead.hold(collisions)
        self._reach = collisions.reach[:, collisions.kinematics.v_index]
        self.allow(())

    def allow(self, contacts: Iterable[tuple[str, str]]) -> None:
        """From now on the pairs of names `contacts` may touch."""
        opened = self.collisions.allowed(contacts)
        self.margins, self._opened = np.where(opened, -np.inf, self.collisions.margins), np.flatnonzero(opened)
        self.reset()

    def reset(self) -> None:
        """Forget the floors: every pair has its margin again."""
        self._floors = self.margins.copy()

    def here(self, q: np.ndarray, hands: dict[str, np.ndarray]) -> None:
        """The robot is commanded to be at the joints `q` (n,) with the openings `hands`."""
        self._there = self.collisions.kinematics.configuration(q, hands)
        self._here.move(self._there)

    def verify(self, q: np.ndarray, path: np.ndarray) -> str:
        """'' if no pair comes nearer than its floor on the `path` (S, n) from `q` (n,), where `here` is; else which."""
        steps = joint_steps(q, path)
        way = self._reach @ steps.sum(axis=0)
        # most pairs are further apart than the whole path can bring them
        near = ((self._here.lower - way < self.margins) | (self._floors < self.margins)).nonzero()[0]
        if not len(near):
            return ""
        now = self._here.exact(near)
        floors = self._floors[near]
        floors = np.where(now < floors - TOLERANCE_M, now, np.minimum(self.margins[near], np.maximum(floors, now)))
        self._floors[near] = floors
        keep = now - way[near] < floors
        near, floors, bound = near[keep], floors[keep], now[keep]
        nearer = steps @ self._reach[near].T  # (S, K): metres that a step may bring each pair together
        sample = 0
        while sample < len(path):
            ahead = bound - nearer[sample:].cumsum(axis=0)
            doubtful = ahead < floors
            first = int(doubtful.any(axis=1).argmax())
            if not doubtful[first].any():
                break
            sample, bound, asked = sample + first, ahead[first], doubtful[first].nonzero()[0]
            self._ahead.move(self.collisions.kinematics.with_joints(self._there, path[sample]))
            bound[asked] = self._ahead.exact(near[asked])
            worst = int((bound - floors).argmin())
            if bound[worst] < floors[worst] - TOLERANCE_M:
                return "distance: " + "|".join(self.collisions.names[near[worst]])
            sample += 1
        return ""

    def hands_pass(self, q: np.ndarray, hands: dict[str, np.ndarray]) -> bool:
        """True if no pair comes nearer than its floor when the hands go to the openings `hands`, the arms at `q` (n,)."""
        self._ahead.move(self.collisions.kinematics.configuration(q, hands))
        near = self._ahead.below(self._floors - TOLERANCE_M)
        # a pair that is too near already may stay so, or part
        return bool(np.all(self._ahead.lower[near] >= self._here.exact(near) - TOLERANCE_M)) if len(near) else True

    def opened(self) -> float:
        """Metres between the nearest pair that may touch, where `here` is; inf if there is none, NaN before `here` is known."""
        if not len(self._opened):
            return np.inf
        return float(self._here.exact(self._opened).min()) if self._here.q is not None else np.nan

    def nearest(self) -> tuple[float, str]:
        """The smallest distance that is kept, metres, and its pair "a|b", where `here` is; NaN and '' if there is none."""
        kept = np.flatnonzero(np.isfinite(self.margins))
        if not len(kept) or self._here.q is None:
            return float("nan"), ""
        distances = self._here.exact(kept)
        k = int(np.argmin(distances))
        return float(distances[k]), "|".join(self.collisions.names[kept[k]])


def joint_steps(q: np.ndarray, path: np.ndarray) -> np.ndarray:
    """(S, n) radians that each joint goes from sample to sample of the `path` (S, n) from `q` (n,), without sign."""
    steps = np.empty_like(path)
    steps[0], steps[1:] = path[0] - q, path[1:] - path[:-1]
    return np.abs(steps, out=steps)
