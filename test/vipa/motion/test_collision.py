"""Distances: bounds that never lie, gradients that are derivatives, the pairs that are kept apart."""

import dataclasses

import coal
import numpy as np
import pinocchio as pin
import pytest

from vipa.errors import VipaError
from vipa.motion.clearance import Clearance
from vipa.motion.collision import FINGER_MARGIN_M, CollisionModel, DistanceField
from vipa.robot.description import load_robot
from vipa.robot.fixture import Fixture
from vipa.robot.kinematics import Kinematics

TABLE = Fixture("table", [0.5, 0.0, -0.02], [1.2, 1.6, 0.04])
BOX = Fixture("cabinet", [0.6, 0.45, 0.15], [0.3, 0.3, 0.3], [0.0, 0.0, 0.4])


@pytest.fixture(scope="module")
def model():
    return CollisionModel(Kinematics(load_robot("fr3_single")), [TABLE, BOX])


def configurations(model, count, seed):
    k = model.kinematics
    random = np.random.default_rng(seed)
    return [k.configuration(random.uniform(k.lower, k.upper), {"arm": random.uniform(size=1)}) for _ in range(count)]


def all_distances(model, q):
    field = DistanceField(model)
    field.move(q)
    return field.exact(np.arange(len(model.pairs))).copy()


def test_a_box_stands_where_the_task_says(model):
    """Point by point: the distance from coal's box to a small sphere is that of the transformed point."""
    shape = next(g for g in model.geometry.geometryObjects if g.name == "box cabinet")
    local = pin.SE3(pin.rpy.rpyToMatrix(0, 0, 0.4), np.array([0.6, 0.45, 0.15]))
    for point in np.random.default_rng(0).uniform(-1, 1, (50, 3)):
        inside = local.actInv(point)
        expected = np.linalg.norm(np.maximum(np.abs(inside) - 0.15, 0))
        if expected == 0:
            continue
        result = coal.DistanceResult()
        coal.distance(
            shape.geometry,
            coal.Transform3s(shape.placement.rotation, shape.placement.translation),
            coal.Sphere(1e-6),
            coal.Transform3s(np.eye(3), point),
            coal.DistanceRequest(),
            result,
        )
        assert abs(result.min_distance - expected) < 1e-4


def test_a_bound_is_never_above_the_distance(model):
    random = np.random.default_rng(1)
    for q in configurations(model, 60, 2):
        field = DistanceField(model)
        field.move(q)
        field.below(np.inf)
        for scale in (0.005, 0.1, 0.5):
            q = q + np.concatenate([scale * random.normal(size=7), random.uniform(-0.002, 0.002, 2)])
            field.move(q)
            assert np.all(field.lower <= all_distances(model, q) + 1e-6)


def test_below_is_exact(model):
    field = DistanceField(model)
    q = model.kinematics.configuration(model.kinematics.home)
    for step in np.random.default_rng(3).normal(size=(40, 7)) * 0.02:
        q = q + np.concatenate([step, [0, 0]])
        field.move(q)
        truth = all_distances(model, q)
        near = field.below(0.2)
        assert set(near) == set(np.flatnonzero(truth < 0.2))
        np.testing.assert_allclose(field.lower[near], truth[near], atol=5e-6)  # coal starts from its last answer


def test_gradients_are_derivatives(model):
    step = 1e-5
    for q in configurations(model, 12, 4):
        field = DistanceField(model)
        field.move(q)
        near = field.below(0.3)
        near = near[field.lower[near] > 0.01]  # in penetration the witness points jump
        gradients = field.gradients(near)
        for joint in range(model.model.nv):
            shift = np.zeros(model.model.nv)
            shift[joint] = step
            slope = (all_distances(model, q + shift) - all_distances(model, q - shift))[near] / (2 * step)
            # a nearest point that jumps from edge to edge has two slopes: almost all pairs have one
            assert np.mean(np.abs(slope - gradients[:, joint]) < 5e-3) > 0.97


def test_neighbours_and_the_base_on_its_table_are_left_out(model):
    names = {frozenset(n) for n in model.names}
    for pair in (
        "fr3_link1 fr3_link2",
        "fr3_link7 fr3_hand",
        "fr3_leftfinger fr3_rightfinger",
        "fr3_link0 table",
        "fr3_link1 table",
        "fr3_link5 fr3_link7",
    ):
        assert frozenset(pair.split()) not in names
    for pair in (
        "fr3_link0 fr3_hand",
        "fr3_link2 table",
        "fr3_hand cabinet",
        "fr3_leftfinger table",
        "fr3_link5 fr3_hand",
    ):
        assert frozenset(pair.split()) in names


def test_fingers_may_come_nearer_to_fixtures(model):
    margins = {frozenset(n): m for n, m in zip(model.names, model.margins)}
    assert margins[frozenset(("fr3_leftfinger", "table"))] == FINGER_MARGIN_M
    assert margins[frozenset(("fr3_hand", "table"))] == model.kinematics.robot.margin
    assert margins[frozenset(("fr3_leftfinger", "fr3_link0"))] == model.kinematics.robot.margin


def test_allowed_contacts_name_links_fixtures_or_fingers(model):
    allowed = model.allowed([("fingers", "table")])
    assert {frozenset(n) for n, a in zip(model.names, allowed) if a} == {
        frozenset(("fr3_leftfinger", "table")),
        frozenset(("fr3_rightfinger", "table")),
    }
    assert not model.allowed([("fingers", "unknown thing")]).any()


TOOLS = [
    {"arm": Fixture("cup", [0, 0, 0.05], [0.05, 0.05, 0.1])},
    {"arm": Fixture("rod", [0, 0, 0.1], [0.02, 0.02, 0.3])},
]


def test_another_tool_changes_the_pairs_of_the_tool_alone(model):
    """As a model of its own would have them, and without touching the one before."""
    pairs, names = len(model.pairs), list(model.names)
    for tools in (*TOOLS, {}, TOOLS[0]):
        held = model.holding(tools)
        assert held.base is model and held.names[:pairs] == names == model.names
        tool = [t.name for t in tools.values()]
        assert all(tool[0] in names for names in held.names[pairs:]) if tool else held is model
        arrays = (held.margins, held.reach, held.pair_joints)
        assert all(len(array) == len(held.pairs) for array in arrays)
        assert len(held.geometry.collisionPairs) == (len(held.pairs) - pairs or pairs)
        assert held.allowed([("fingers", "table")]).sum() == 2
    cup = model.holding(TOOLS[0])
    assert cup.allowed([("cup", "table")]).sum() == 1 and model.geometry.ngeoms == cup.geometry.ngeoms - 1
    k = cup.names.index(next(n for n in cup.names if set(n) == {"cup", "table"}))
    assert cup.margins[k] == 0.003 and cup.reach[k].sum() > model.reach.max()
    with pytest.raises(VipaError, match="box"):
        model.holding({"arm": Fixture("table", [0, 0, 0], [0.1, 0.1, 0.1])})


def test_what_is_known_of_distances_stays_known_when_the_tool_changes(model):
    arm = model.kinematics.group("arm")
    q = model.kinematics.configuration(np.array(arm.spec.home))
    field = DistanceField(model)
    field.move(q)
    field.exact(np.arange(len(model.pairs)))
    for tools in (TOOLS[0], {}, TOOLS[1]):
        held = model.holding(tools)
        field.hold(held)
        alone = DistanceField(held)
        assert np.all(np.isfinite(field.lower[: len(model.pairs)])) and np.all(
            field.lower[len(model.pairs) :] == -np.inf
        )
        for way in (0.05, -0.1):
            q = q + way * np.eye(len(q))[1]
            field.move(q), alone.move(q)
            exact = alone.exact(np.arange(len(held.pairs)))
            assert np.all(field.lower <= exact + 1e-5)
            np.testing.assert_allclose(field.exact(np.arange(len(held.pairs))), exact, atol=1e-5)


def test_home_in_collision_is_refused_by_name():
    robot = dataclasses.replace(load_robot("fr3_single"), ignore_pairs=[], margin=0.05)
    with pytest.raises(VipaError, match=r"nearer than the margin of 0.05 m: .*fr3_link5\|fr3_link7.*ignore_pairs"):
        CollisionModel(Kinematics(robot))


def clearance_above_table(model, height):
    """A Clearance and joints that hold the fingertips `height` above the table, pointing down."""
    arm, clearance = model.kinematics.group("arm"), Clearance(model)
    q = arm.solve(np.array([0.45, 0.0, height, 1.0, 0.0, 0.0, 0.0]), np.array(arm.spec.home))
    clearance.here(q, {"arm": np.zeros(1)})
    return clearance, arm, q


def test_a_path_into_a_fixture_is_refused_by_name(model):
    clearance, arm, q = clearance_above_table(model, 0.05)
    down = arm.solve(np.array([0.45, 0.0, -0.02, 1.0, 0.0, 0.0, 0.0]), q)
    path = q + np.linspace(0.05, 1, 20)[:, None] * (down - q)
    assert clearance.verify(q, path[:8]) == ""
    assert clearance.verify(q, path).startswith("distance: ") and "table" in clearance.verify(q, path)
    clearance.allow([("fingers", "table")])
    assert "finger" not in clearance.verify(q, path[:17])


def test_what_is_too_near_may_part_and_not_come_nearer(model):
    clearance, arm, q = clearance_above_table(model, 0.002)  # under the fingers' margin of 3 mm
    up = arm.solve(np.array([0.45, 0.0, 0.02, 1.0, 0.0, 0.0, 0.0]), q)
    toward = q + np.linspace(0.1, 1, 10)[:, None] * (up - q)
    assert clearance.verify(q, toward) == ""
    assert clearance.verify(q, 2 * q - toward).startswith("distance: ")
    # having parted a little it may not go back to where it was
    clearance.here(toward[0], {"arm": np.zeros(1)})
    assert clearance.verify(toward[0], toward) == ""
    assert clearance.verify(toward[0], q[None]).startswith("distance: ")


def test_nearest_names_the_pair(model):
    clearance, _, _ = clearance_above_table(model, 0.02)
    distance, pair = clearance.nearest()
    assert "table" in pair and "finger" in pair and abs(distance - 0.02) < 0.02
