"""Planner: what it returns is clear at a thousandth of a radian, keeps its limits, and can be executed as it is."""

import numpy as np
import pytest

from vipa.geometry import rotation
from vipa.motion.collision import CollisionModel, DistanceField
from vipa.motion.motion import Motion
from vipa.planning.rrt_connect import NoPath, Planner
from vipa.planning.time_parameterization import smooth_curve, time_path
from vipa.robot.description import load_robot
from vipa.robot.fixture import Fixture
from vipa.robot.kinematics import Kinematics
from vipa_cli.bench.ideal_robot import IdealRobot, drive, joint_chunk

ROBOT = load_robot("fr3_single")
FIXTURES = [
    Fixture("table", [0.5, 0, -0.02], [1.2, 1.6, 0.04]),
    Fixture("post", [0.55, 0, 0.2], [0.1, 0.3, 0.4]),
    Fixture("shelf", [0.78, 0.5, 0.35], [0.2, 0.2, 0.03]),
]


@pytest.fixture(scope="module")
def model():
    return CollisionModel(Kinematics(ROBOT), FIXTURES)


def down(x, y, z, turn=0.0):
    return np.concatenate(
        [[x, y, z], rotation.multiply(rotation.exp(np.array([0, 0, turn])), np.array([1.0, 0, 0, 0]))]
    )


def joints(model, pose):
    arm, clear = model.kinematics.group("arm"), Planner(model)
    q = arm.solve(
        pose, model.kinematics.home, accept=lambda q: not clear._why_not("arm", model.kinematics.home, q, None)
    )
    assert q is not None
    return q


QUERIES = [
    (down(0.5, -0.4, 0.15), down(0.5, 0.35, 0.15)),
    (down(0.5, 0.35, 0.1), down(0.4, -0.35, 0.3, 0.4)),
    (down(0.4, -0.3, 0.1), down(0.62, -0.35, 0.25)),
    (down(0.55, 0.4, 0.2), down(0.55, 0.4, 0.45)),
    (down(0.45, -0.45, 0.1, 0.3), down(0.35, 0.45, 0.4)),
]


@pytest.mark.parametrize("query", range(len(QUERIES)))
def test_plans_are_clear_timed_and_executable(model, query):
    begin, end = (joints(model, pose) for pose in QUERIES[query])
    plan = Planner(model, seed=query + 1).to_joints("arm", begin, end)
    p = plan.path.positions
    np.testing.assert_allclose(p[0], begin, atol=1e-6)
    np.testing.assert_allclose(p[-1], end, atol=1e-6)
    field, arm = DistanceField(model), model.kinematics.group("arm")
    for a, b in zip(p[:-1], p[1:]):
        for k in range(max(1, int(np.ceil(np.abs(b - a).max() / 0.001)))):
            field.move(model.kinematics.configuration(a + 0.001 * k * (b - a) / max(np.abs(b - a).max(), 1e-9)))
            assert not len(field.below(model.margins))
    spec, dt = ROBOT.groups[0], plan.path.times[1]
    v, acceleration, jerk = (np.abs(np.diff(p, n, axis=0)) / dt**n for n in (1, 2, 3))
    assert (
        np.all(v <= spec.max_velocity)
        and np.all(acceleration <= spec.max_acceleration)
        and np.all(jerk <= spec.max_jerk)
    )
    speeds = [np.linalg.norm((arm.jacobian(q) @ w)[:3]) for q, w in zip(p, plan.path.velocities)]
    assert max(speeds) <= spec.tool_speed
    execute(model, begin, plan)


def execute(model, begin, plan):
    motion, cell = Motion(ROBOT, FIXTURES), IdealRobot(ROBOT)
    cell.positions |= dict(zip(ROBOT.groups[0].joints, begin))
    motion.set_authority("planner")
    drive(motion, cell, 0.1)
    steps = plan.path.steps(0.02)
    assert (
        motion.chunk(joint_chunk(motion, "arm", steps, cell.now_ns + 20_000_000, 0.02, 1), cell.now_ns, cell.time) == ""
    )
    log = drive(motion, cell, plan.path.duration + 1.0)
    np.testing.assert_allclose(log.q[-1], plan.path.positions[-1], atol=1e-3)
    assert motion.clamps == 0, motion.reasons


def test_a_pose_goal_is_reached(model):
    pose = down(0.5, 0.35, 0.2)
    plan = Planner(model).to_pose("arm", model.kinematics.home, pose)
    reached = model.kinematics.group("arm").forward(plan.path.positions[-1])
    assert np.linalg.norm(reached[:3] - pose[:3]) < 1e-3


def test_what_cannot_be_is_said(model):
    planner, home = Planner(model), model.kinematics.home
    with pytest.raises(NoPath, match=r"arm: no joints within the limits reach \[2.0"):
        planner.to_pose("arm", home, down(2.0, 0, 0.3))
    with pytest.raises(NoPath, match="arm: goal .* leaves the limits"):
        planner.to_joints("arm", home, home + 5)
    inside = model.kinematics.group("arm").solve(down(0.55, 0.1, 0.2), home)
    with pytest.raises(NoPath, match=r"at the goal .*\|post are .* m apart"):
        planner.to_joints("arm", home, inside)


def test_a_goal_where_it_is_takes_no_time(model):
    plan = Planner(model).to_joints("arm", model.kinematics.home, model.kinematics.home)
    assert plan.path.duration == 0 and plan.path.steps(0.1).shape == (1, 7)


def test_a_start_nearer_than_the_planners_own_margin_gets_away(model):
    """Fingertips 6 mm above the table: inside the planner's extra distance, outside the gate's margin."""
    begin = joints(model, down(0.4, -0.3, 0.015))
    plan = Planner(model).to_joints("arm", begin, joints(model, down(0.4, -0.3, 0.3)))
    assert plan.path.duration > 0.3


def test_a_curve_keeps_to_its_lines_and_is_timed_within_limits():
    waypoints = np.array(
        [[0, 0, 0, -1.5, 0, 1.5, 0], [0.5, 0.3, 0, -1.2, 0, 1.5, 0.2], [0.5, -0.3, 0.4, -1.8, 0.2, 1.2, 0]]
    )
    curve = smooth_curve(waypoints, 0.05)
    for q in curve(np.linspace(0, 1, 200)):
        ways = []
        for a, b in zip(waypoints[:-1], waypoints[1:]):
            t = np.clip((q - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
            ways.append(np.linalg.norm(q - a - t * (b - a)))
        assert min(ways) < 0.05
    path = time_path(curve, Kinematics(ROBOT).group("arm"))
    assert np.all(np.abs(np.diff(path.positions, axis=0)) / path.times[1] <= ROBOT.groups[0].max_velocity)
    assert np.all(path.velocities[[0, -1]] == 0) and 0.5 < path.duration < 5.0
