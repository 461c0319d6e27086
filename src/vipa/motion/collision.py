"""Distances between the robot's links, the task's fixtures and held tools, and how they change with the joints.

A pair's distance cannot change faster than its points move. `DistanceField` keeps a lower bound for every pair, lowers it by
the furthest the joints' motion can have brought the pair together, and asks coal only where the bound no longer suffices:
most ticks need a tenth of the pairs, and nothing is missed.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path

import coal
import numpy as np
import pinocchio as pin

from vipa.errors import VipaError
from vipa.geometry import rotation
from vipa.robot.contacts import Contacts
from vipa.robot.description import FINGERS, Robot
from vipa.robot.fixture import Fixture
from vipa.robot.kinematics import Kinematics

FINGER_MARGIN_M = 0.003  # metres between a hand's fingers and fixtures: fingers work near surfaces, arms do not


class CollisionModel:
    """The collision shapes and the pairs of them that are kept apart.

    Left out: links joined by one joint or by none, pairs no commanded joint moves against each other, the robot file's
    ignore_pairs, and fixtures against a link that turns on the base (the base stands on them). fixtures: boxes in the world
    frame. Raises VipaError for a URDF without shapes, for a robot whose home is in collision with itself, and for a box with the
    name of something else.

    names (K): two links, fixtures or tools; margins (K,): metres; reach (K, nv): metres that a pair can approach by, a radian (or
    metre) of each joint. base: the model without held tools; its pairs are the first. geometry: shapes and pairs; of a
    model with held tools, all shapes and the tools' pairs alone.
    """

    def __init__(self, kinematics: Kinematics, fixtures: Sequence[Fixture] = ()):
        robot = kinematics.robot
        self.kinematics, self.model = kinematics, kinematics.model
        self.geometry = _shapes(self.model, robot)
        self._fingers = {link for g in robot.groups if g.hand for link in g.hand.fingers}
        self.links = [self.model.frames[shape.parentFrame].name for shape in self.geometry.geometryObjects]
        self._known = Contacts(robot)
        self.fixture_names: list[str] = []
        for fixture in fixtures:
            self._add_box(fixture, 0, 0, pin.SE3.Identity())
            self.fixture_names.append(fixture.name)
        self.tool_names: list[str] = []
        self._supports = [frozenset(s) for s in self.model.supports]
        self.commanded = {int(self.model.getJointId(name)) for name in kinematics.joint_names}
        self._ignored = {frozenset(p) for p in robot.ignore_pairs}
        self._parents = list(self.model.parents)
        self._chain = [(False, 0, 0.0), *(self._links_of(joint) for joint in range(1, self.model.njoints))]
        self._radii: list[float] = []
        self.pairs: list[tuple[int, int]] = []
        self.names: list[tuple[str, str]] = []
        self.margins, self.reach = np.zeros(0), np.zeros((0, self.model.nv))
        self.pair_joints = np.zeros((0, 2), int)
        self._places: dict[frozenset[str], list[int]] = {}
        self._pair_up()
        self.moved = self._moved()
        self.base = self
        self._check_home(robot)

    def holding(self, tools: dict[str, Fixture]) -> "CollisionModel":
        """The same links and fixtures, with what the hands hold instead of what they held: group name to a box in that group's tool
        frame. Takes a millisecond or two, where a new model takes a hundred times as long. Raises VipaError for a box with the name
        of something else."""
        held = copy(self.base)
        if not tools:
            return held.base
        held.geometry, held.links, held.tool_names = self.base.geometry.copy(), self.base.links.copy(), []
        held.geometry.removeAllCollisionPairs()
        held._radii, held.pairs, held.names = self.base._radii.copy(), self.base.pairs.copy(), self.base.names.copy()
        held._places = {names: places.copy() for names, places in self.base._places.items()}
        for name, tool in tools.items():
            group = self.kinematics.group(name)
            frame = self.model.frames[group.tool]
            held._add_box(tool, frame.parentJoint, group.tool, frame.placement)
            held.tool_names.append(tool.name)
        held._pair_up()
        return held

    def _pair_up(self) -> None:
        """Adds the pairs of the shapes that are in none yet, with each other and with those that are."""
        paired, first = len(self._radii), len(self.pairs)
        self._radii += [_radius(g) for g in self.geometry.geometryObjects[paired:]]
        for j in range(paired, self.geometry.ngeoms):
            for i in range(j):
                if self._kept_apart(i, j) and frozenset((self.links[i], self.links[j])) not in self._ignored:
                    self.geometry.addCollisionPair(pin.CollisionPair(i, j))
                    self.pairs.append((i, j))
        new = self.pairs[first:]
        self.names += [(self.links[i], self.links[j]) for i, j in new]
        for place, names in enumerate(self.names[first:], start=first):
            self._places.setdefault(frozenset(names), []).append(place)
        reach = np.array([self._reach(i, j) for i, j in new]).reshape(len(new), self.model.nv)
        ends = [[self.geometry.geometryObjects[k].parentJoint for k in pair] for pair in new]
        self.margins = np.concatenate([self.margins, [self._margin(i, j) for i, j in new]])
        self.reach = np.vstack([self.reach, reach])
        self.pair_joints = np.vstack([self.pair_joints, np.array(ends, int).reshape(len(new), 2)])

    def allowed(self, contacts: Iterable[tuple[str, str]]) -> np.ndarray:
        """(K,) bool: pairs that `contacts` (pairs of names) allows to touch."""
        found = np.zeros(len(self.pairs), bool)
        for first, second in contacts:
            for a in self._expand(first):
                for b in self._expand(second):
                    found[self._places.get(frozenset((a, b)), [])] = True
        return found

    def _expand(self, name: str) -> set[str]:
        return self._fingers if name == FINGERS else {name}

    def _add_box(self, box: Fixture, joint: int, frame: int, placement: pin.SE3) -> None:
        if why := self._known.taken(box.name, self.fixture_names):
            raise VipaError(f"{self.kinematics.robot.name}: box {why}")
        roll, pitch, yaw = box.rpy
        local = pin.SE3(pin.rpy.rpyToMatrix(roll, pitch, yaw), np.asarray(box.position, float))
        # the prefix keeps it apart from the URDF's own shapes, whose names are another space
        shape = pin.GeometryObject(f"box {box.name}", joint, frame, placement * local, coal.Box(*map(float, box.size)))
        self.geometry.addGeometryObject(shape)
        self.links.append(box.name)

    def _kept_apart(self, i: int, j: int) -> bool:
        a, b = (self.geometry.geometryObjects[k].parentJoint for k in (i, j))
        parents = self.model.parents
        if a == b or (a and parents[a] == b) or (b and parents[b] == a):
            return False
        return bool((self._supports[a] ^ self._supports[b]) & self.commanded)

    def _margin(self, i: int, j: int) -> float:
        names = {self.links[i], self.links[j]}
        if names & (self._fingers | set(self.tool_names)) and names & set(self.fixture_names):
            return min(FINGER_MARGIN_M, self.kinematics.robot.margin)
        return self.kinematics.robot.margin

    def _reach(self, i: int, j: int) -> np.ndarray:
        """A joint's turn moves a point at most by the turn times the point's distance from the joint; joints above both
        shapes move them together."""
        reach = np.zeros(self.model.nv)
        ends = [self.geometry.geometryObjects[k].parentJoint for k in (i, j)]
        for end, other, shape in ((ends[0], ends[1], i), (ends[1], ends[0], j)):
            length, joint = self._radii[shape], end
            while joint:
                prismatic, index, link = self._chain[joint]
                if joint not in self._supports[other]:
                    reach[index] = 1.0 if prismatic else length
                length += link
                joint = self._parents[joint]
        return reach

    def _links_of(self, joint: int) -> tuple[bool, int, float]:
        """Of a joint: whether it is prismatic, its place among the velocities, and by how much the chain above it is longer, metres at
        most: a prismatic one's own travel lengthens it."""
        of = self.model.joints[joint]
        prismatic = "P" in of.shortname().removeprefix("JointModel")[:1]
        limits = self.model.lowerPositionLimit[of.idx_q], self.model.upperPositionLimit[of.idx_q]
        length = float(np.linalg.norm(self.model.jointPlacements[joint].translation))
        return prismatic, of.idx_v, length + (max(map(abs, limits)) if prismatic else 0.0)

    def _moved(self) -> np.ndarray:
        """(joints, nv) float64: 1 where a column of the Jacobian moves a joint's body."""
        moved = np.zeros((self.model.njoints, self.model.nv))
        for joint, supports in enumerate(self._supports):
            for above in supports - {0}:
                moved[joint, self.model.joints[above].idx_v] = 1.0
        return moved

    def _check_home(self, robot: Robot) -> None:
        field = DistanceField(self)
        field.move(self.kinematics.configuration(self.kinematics.home))
        near = [
            k for k in field.below(self.margins) if not set(self.names[k]) & set(self.fixture_names + self.tool_names)
        ]
        if near:
            worst = ", ".join(sorted({f"{'|'.join(self.names[k])} ({field.lower[k]:.4f} m)" for k in near}))
            raise VipaError(
                f"{robot.name}: at home these links are nearer than the margin of {robot.margin} m: {worst}; "
                f"move home, or list them in ignore_pairs"
            )


class DistanceField:
    """Lower bounds of all distances at one configuration that moves. Each user keeps its own; not for several threads.

    lower: (K,) float64, metres; where `below` has looked, the distance itself.
    """

    def __init__(self, collisions: CollisionModel):
        self.collisions = collisions.base
        self.data = collisions.model.createData()
        self._shared = len(collisions.base.pairs)
        self.lower = np.full(self._shared, -np.inf)
        self.q: np.ndarray | None = None
        self._placed = False
        self._exact = np.zeros(len(self.lower), bool)
        self._parts = [(collisions.base.geometry, collisions.base.geometry.createData())]  # of the base, of held tools
        self.hold(collisions)

    def hold(self, collisions: CollisionModel) -> None:
        """From now on the field is that of `collisions`, which has the same base: what is known of the base's pairs stays known."""
        if collisions.base is not self.collisions.base:
            raise ValueError("collisions have another base; allowed: what the hands hold is another")
        if collisions is self.collisions:
            return
        shared, more = self._shared, len(collisions.pairs) - self._shared
        self.collisions, self._placed, self._parts = collisions, False, self._parts[:1]
        if more:
            self._parts.append((collisions.geometry, collisions.geometry.createData()))
        self.lower = np.concatenate([self.lower[:shared], np.full(more, -np.inf)])
        self._exact = np.concatenate([self._exact[:shared], np.zeros(more, bool)])

    def move(self, q: np.ndarray) -> None:
        """Go to the configuration `q` (nq,). Costs a product, no geometry."""
        if self.q is not None:
            if (q == self.q).all():
                return
            self.lower = self.lower - self.collisions.reach @ np.abs(q - self.q)
        self._exact[:] = False
        self.q, self._placed = np.array(q, float), False

    def exact(self, pairs: np.ndarray) -> np.ndarray:
        """Distances (len(pairs),) of the pairs at the indices `pairs`, metres, negative in penetration."""
        doubtful = pairs[~self._exact[pairs]]
        if len(doubtful):
            self._place()
            self.lower[doubtful] = [pin.computeDistance(*self._part(k)).min_distance for k in doubtful.tolist()]
            self._exact[doubtful] = True
        return self.lower[pairs]

    def _place(self) -> None:
        if self._placed:
            return
        for number, (geometry, data) in enumerate(self._parts):
            where = (self.q,) if number == 0 else ()  # the joints stand there then
            pin.updateGeometryPlacements(self.collisions.model, self.data, geometry, data, *where)
        self._placed = True

    def _part(self, k: int) -> tuple[pin.GeometryModel, pin.GeometryData, int]:
        """Where pair `k` is looked up, and its number there."""
        geometry, data = self._parts[k >= self._shared]
        return geometry, data, k - self._shared if k >= self._shared else k

    def below(self, threshold) -> np.ndarray:
        """Indices of the pairs nearer than `threshold` (metres, or (K,)); their `lower` and witness points are exact."""
        near = (self.lower < threshold).nonzero()[0]
        limit = threshold if np.isscalar(threshold) else threshold[near]
        return near[self.exact(near) < limit]

    def gradients(self, pairs: np.ndarray) -> np.ndarray:
        """(len(pairs), nv): metres a second that the distances of `pairs`, which `below` has found, grow by, a rad/s of each
        joint: the normal times the velocity of the nearest points."""
        c = self.collisions
        pin.computeJointJacobians(c.model, self.data, self.q)
        found = (self._part(k) for k in pairs.tolist())
        results = [data.distanceResults[pair] for _, data, pair in found]
        normal = np.array([r.normal for r in results]).reshape(-1, 3)
        rows = [
            np.hstack([normal, _cross(np.array([r.getNearestPoint1() for r in results]).reshape(-1, 3), normal)]),
            np.hstack([normal, _cross(np.array([r.getNearestPoint2() for r in results]).reshape(-1, 3), normal)]),
        ]
        spatial = self.data.J  # of the joints' motion at the world's origin: linear over angular
        first, second = c.moved[c.pair_joints[pairs, 0]], c.moved[c.pair_joints[pairs, 1]]
        return (rows[1] @ spatial) * second - (rows[0] @ spatial) * first


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rows of a x b, (m, 3); np.cross costs five times as much on a few rows."""
    c = np.empty_like(a)
    c[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    c[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    c[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return c


def _shapes(model: pin.Model, robot: Robot) -> pin.GeometryModel:
    path = Path(robot.urdf_path)
    try:
        shapes = pin.buildGeomFromUrdf(model, str(path), pin.GeometryType.COLLISION, package_dirs=[str(path.parent)])
    except (ValueError, RuntimeError) as error:
        raise VipaError(f"{path}: collision shapes: {error}") from None
    if shapes.ngeoms == 0:
        raise VipaError(f"{path}: no collision shapes; the gate needs one a link at least")
    for shape in shapes.geometryObjects:
        if isinstance(
            shape.geometry, coal.BVHModelBase
        ):  # its hull: of a surface nobody could tell how deep something is inside
            shape.geometry.buildConvexHull(True, "Qt")
            shape.geometry = shape.geometry.convex
    return shapes


def _radius(shape: pin.GeometryObject) -> float:
    """Distance of the shape's furthest point from its joint's origin, metres, at most."""
    shape.geometry.computeLocalAABB()
    corner = np.maximum(np.abs(shape.geometry.aabb_local.min_), np.abs(shape.geometry.aabb_local.max_))
    return float(np.linalg.norm(shape.placement.translation) + np.linalg.norm(corner))


def box_of(name: str, size: Sequence[float], pose: np.ndarray) -> Fixture:
    """A box `size` (3,) at `pose` (7,) xyz + xyzw as a Fixture."""
    return Fixture(
        name,
        list(map(float, pose[:3])),
        list(map(float, size)),
        list(pin.rpy.matrixToRpy(rotation.to_matrix(pose[3:]))),
    )
