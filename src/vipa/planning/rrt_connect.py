"""Planner: a collision-free, timed joint path to a goal: inverse kinematics, RRT-Connect, shortcuts, a re-check, a timing.

OMPL answers from states a resolution apart and its simplified paths were seen to cut corners through obstacles. So every
curve is checked again at RESOLUTION_RAD, and in between by the bound of `DistanceField`; what fails is planned anew.
"""

from dataclasses import dataclass

import numpy as np
import pinocchio as pin
from ompl import base, geometric, util

from vipa.motion.collision import CollisionModel, DistanceField
from vipa.planning.time_parameterization import TimedPath, smooth_curve, time_path

RESOLUTION_RAD = 0.003  # radians between the samples of the re-check
COARSE_RAD = (0.03, 0.015, 0.008)  # radians between the states that OMPL looks at, finer from attempt to attempt
EXTRA_MARGIN_M = 0.005  # metres kept beyond the gate's margins, where start and goal allow it
MAX_ATTEMPTS = 6  # plans until one passes the re-check
ATTEMPT_TIME_S = 2.0  # seconds of OMPL an attempt, at most
# a path this many times longer than the straight line is planned once more, and the shorter is taken
DETOUR_RATIO = 2.0
# radians between the curve's control points: how far corners are rounded, widest first
CORNERS_RAD = (0.12, 0.05, 0.02)


class NoPath(Exception):
    """Why there is no path: what was asked, and what stands in its way."""


@dataclass(frozen=True)
class Plan:
    """path: the group's timed joints. waypoints (P, J): of the geometric path. attempts: how many it took."""

    path: TimedPath
    waypoints: np.ndarray
    attempts: int


class Planner:
    """Plans for one group of joints at a time; the others stand. Not for several threads. OMPL draws from `seed` on, and may
    take ATTEMPT_TIME_S for it, so a plan is not the same on every machine; that it is clear is checked on all of them.

    margins (K,): metres that the pairs of `collisions` are kept apart by, -inf: may touch (Clearance's).
    """

    def __init__(self, collisions: CollisionModel, margins: np.ndarray | None = None, seed: int = 1):
        self.collisions, self.kinematics = collisions, collisions.kinematics
        self.margins = collisions.margins if margins is None else margins
        self._data, self._geometry = self.kinematics.model.createData(), collisions.geometry.createData()
        self._field = DistanceField(collisions)
        util.setLogLevel(util.LOG_NONE)
        util.RNG.setSeed(seed)

    def to_pose(
        self, group: str, start: np.ndarray, pose: np.ndarray, hands: dict[str, np.ndarray] | None = None
    ) -> Plan:
        """A plan from the joints `start` (n,) of the whole robot to the tool pose `pose` (7,) of `group`, its base frame.

        Raises NoPath.
        """
        columns = self.kinematics.columns[group]
        goal = self.kinematics.group(group).solve(
            pose, start[columns], accept=lambda q: not self._why_not(group, start, q, hands)
        )
        if goal is None:
            raise NoPath(f"{group}: no joints within the limits reach {np.round(pose, 3).tolist()} without a collision")
        return self.to_joints(group, start, goal, hands)

    def to_joints(
        self, group: str, start: np.ndarray, goal: np.ndarray, hands: dict[str, np.ndarray] | None = None
    ) -> Plan:
        """A plan from the joints `start` (n,) of the whole robot to `goal` (J,) of `group`. hands: openings. Raises NoPath."""
        start, goal = np.asarray(start, float), np.asarray(goal, float)
        spec = self.kinematics.group(group)
        if np.any(goal < spec.lower) or np.any(goal > spec.upper):
            raise NoPath(
                f"{group}: goal {goal.round(3).tolist()} leaves the limits {spec.lower.round(3).tolist()} .. "
                f"{spec.upper.round(3).tolist()}"
            )
        why = self._why_not(group, start, goal, hands)
        if why:
            raise NoPath(f"{group}: at the goal {why}")
        columns = self.kinematics.columns[group]
        thresholds = self._thresholds(group, start, goal, hands)
        first = start[columns]
        if np.allclose(first, goal, atol=1e-4):
            return Plan(TimedPath(np.zeros(1), goal[None], np.zeros((1, len(goal)))), goal[None], 0)
        best: Plan | None = None
        fineness = 0
        for attempt in range(1, MAX_ATTEMPTS + 1):
            waypoints = np.array([first, goal])
            if attempt > 1 or not self._clear(group, start, waypoints, thresholds, hands):
                waypoints = self._search(group, start, goal, thresholds, hands, COARSE_RAD[fineness])
            curve = None if waypoints is None else self._curve(group, start, waypoints, thresholds, hands)
            if curve is not None and (best is None or _length(waypoints) < _length(best.waypoints)):
                best = Plan(time_path(curve, spec), waypoints, attempt)
            elif waypoints is not None and best is None:
                fineness = min(fineness + 1, len(COARSE_RAD) - 1)
            if best is not None and (
                attempt > best.attempts or _length(best.waypoints) <= DETOUR_RATIO * np.linalg.norm(goal - first)
            ):
                break
        if best is None:
            raise NoPath(f"{group}: no path found in {MAX_ATTEMPTS} attempts of {ATTEMPT_TIME_S} s")
        return best

    def _curve(self, group: str, start: np.ndarray, waypoints: np.ndarray, thresholds: np.ndarray, hands):
        """The smoothest curve along `waypoints` that is clear, or None."""
        for spacing in CORNERS_RAD:
            curve = smooth_curve(waypoints, spacing)
            if self._clear(group, start, self._dense(curve), thresholds, hands):
                return curve
        return None

    # states and paths

    def _configuration(self, group: str, start: np.ndarray, q: np.ndarray, hands) -> np.ndarray:
        whole = start.copy()
        whole[self.kinematics.columns[group]] = q
        return self.kinematics.configuration(whole, hands)

    def _why_not(self, group: str, start: np.ndarray, q: np.ndarray, hands) -> str:
        """'' if `q` (J,) is within the workspace and every pair has its margin, else what is too near."""
        spec = self.kinematics.groups[group]
        if not self._inside(group, start, q):
            return f"the tool leaves the workspace at {spec.placement(q).translation.round(3).tolist()}"
        self._field.move(self._configuration(group, start, q, hands))
        near = self._field.below(self.margins)
        return (
            f"{'|'.join(self.collisions.names[near[0]])} are {self._field.lower[near[0]]:.4f} m apart"
            if len(near)
            else ""
        )

    def _box(self, group: str, start: np.ndarray) -> tuple[list[float], list[float]]:
        """The workspace's corners, grown to hold the tool at `start`; infinite where there is none."""
        spec = self.kinematics.groups[group]
        box = spec.spec.workspace
        if box is None:
            return [-np.inf] * 3, [np.inf] * 3
        now = spec.placement(start[self.kinematics.columns[group]]).translation
        return (np.minimum(box.min, now) - 1e-6).tolist(), (np.maximum(box.max, now) + 1e-6).tolist()

    def _inside(self, group: str, start: np.ndarray, q: np.ndarray) -> bool:
        low, high = self._box(group, start)
        here = self.kinematics.groups[group].placement(q).translation
        return all(a <= x <= b for a, x, b in zip(low, here.tolist(), high))

    def _thresholds(self, group: str, start: np.ndarray, goal: np.ndarray, hands) -> np.ndarray:
        """Distances (K,) that the path keeps: the margins and EXTRA_MARGIN_M, or what start and goal have, if that is less."""
        everything = np.arange(len(self.margins))
        wanted = self.margins + EXTRA_MARGIN_M
        for q in (start[self.kinematics.columns[group]], goal):
            self._field.move(self._configuration(group, start, q, hands))
            wanted = np.minimum(wanted, self._field.exact(everything) - 1e-4)
        return np.where(np.isfinite(self.margins), wanted, -np.inf)

    def _dense(self, curve) -> np.ndarray:
        count = 8 * len(curve.c)
        while True:
            points = curve(np.linspace(0, 1, count))
            step = np.abs(np.diff(points, axis=0)).max()
            if step <= RESOLUTION_RAD:
                return points
            count = int(count * max(1.2, 1.05 * step / RESOLUTION_RAD))

    def _clear(self, group: str, start: np.ndarray, points: np.ndarray, thresholds: np.ndarray, hands) -> bool:
        """True if the path through `points` (P, J) keeps `thresholds` everywhere, also between the samples."""
        spec = self.kinematics.groups[group]
        reach = self.collisions.reach[:, spec.v_index]
        low, high = self._box(group, start)
        whole = self._configuration(group, start, points[0], hands)
        previous, floor = points[0], thresholds - EXTRA_MARGIN_M / 2
        for a, b in zip(points[:-1], points[1:]):
            count = max(1, int(np.ceil(np.abs(b - a).max() / RESOLUTION_RAD)))
            for k in range(count + 1):
                q = a + (b - a) * (k / count)
                whole[spec.q_index] = q
                self._field.move(whole)
                # half a step to either side is covered by the bound; EXTRA_MARGIN_M is there for it
                slack = np.minimum(reach @ np.abs(q - previous) / 2, EXTRA_MARGIN_M / 2)
                here = spec.placement(q).translation.tolist()
                if len(self._field.below(floor + slack)) or not all(x <= y <= z for x, y, z in zip(low, here, high)):
                    return False
                previous = q
        return True

    def _search(self, group: str, start: np.ndarray, goal: np.ndarray, thresholds: np.ndarray, hands, coarse: float):
        """Waypoints (P, J) of a simplified RRT-Connect path, checked every `coarse` radians; None if none was found in ATTEMPT_TIME_S."""
        spec, joints, first = self.kinematics.groups[group], len(goal), start[self.kinematics.columns[group]]
        for k, threshold in enumerate(thresholds):
            if np.isfinite(threshold):
                self._geometry.activateCollisionPair(k)
                self._geometry.collisionRequests[k].security_margin = float(threshold)
            else:
                self._geometry.deactivateCollisionPair(k)
        space, bounds = base.RealVectorStateSpace(joints), base.RealVectorBounds(joints)
        for j in range(joints):
            bounds.setLow(j, float(min(spec.lower[j], first[j])))
            bounds.setHigh(j, float(max(spec.upper[j], first[j])))
        space.setBounds(bounds)
        setup = geometric.SimpleSetup(space)
        setup.setStateValidityChecker(self._checker(group, start, goal, hands))
        information = setup.getSpaceInformation()
        information.setStateValidityCheckingResolution(coarse / space.getMaximumExtent())
        begin, end = space.allocState(), space.allocState()
        for j in range(joints):
            begin[j], end[j] = float(first[j]), float(goal[j])
        setup.setStartAndGoalStates(begin, end)
        setup.setPlanner(geometric.RRTConnect(information))
        setup.solve(ATTEMPT_TIME_S)
        if not setup.haveExactSolutionPath():
            return None
        setup.simplifySolution(ATTEMPT_TIME_S)
        path = setup.getSolutionPath()
        return np.array([[path.getState(i)[j] for j in range(joints)] for i in range(path.getStateCount())])

    def _checker(self, group: str, start: np.ndarray, goal: np.ndarray, hands):
        """OMPL's question, tens of thousands of times a plan: is this state clear and inside the workspace?"""
        model, data, shapes, spec = (
            self.kinematics.model,
            self._data,
            self.collisions.geometry,
            self.kinematics.groups[group],
        )
        whole, index, joints = self._configuration(group, start, goal, hands), spec.q_index, range(len(goal))
        low, high = self._box(group, start)

        def valid(state) -> bool:
            whole[index] = [state[j] for j in joints]
            if pin.computeCollisions(model, data, shapes, self._geometry, whole, True):
                return False
            x, y, z = (spec.base.actInv(pin.updateFramePlacement(model, data, spec.tool))).translation
            return bool(
                low[0] <= x <= high[0] and low[1] <= y <= high[1] and low[2] <= z <= high[2]
            )  # numpy's is no bool to OMPL

        return valid


def _length(waypoints: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(waypoints, axis=0), axis=1).sum())
