"""Planned moves: what may be asked, our planner's answers executed through motion, and what MoveIt's must be."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.motion.motion import Motion
from vipa.planning.embedded import EmbeddedPlanning
from vipa.planning.request import STEP_S, NoPlan, PlanRequest, check, verified
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_cli.bench.ideal_robot import IdealRobot

POSE = np.array([0.45, 0.2, 0.3, 1.0, 0, 0, 0])


@pytest.fixture(scope="module")
def single():
    robot, task = load_robot("fr3_single"), load_task("put_three_obj")
    return robot, task.fixtures, EmbeddedPlanning(robot, task.fixtures)


@pytest.mark.parametrize("request_, words", [
    (PlanRequest("elbow", named="home"), "unknown group 'elbow'; allowed: arm"),
    (PlanRequest("arm"), "0 goals; allowed: exactly one"),
    (PlanRequest("arm", named="home", pose=POSE), "2 goals; allowed: exactly one"),
    (PlanRequest("arm", named="moon"), "unknown named goal 'moon'; allowed: home"),
    (PlanRequest("arm", joints=np.zeros(6)), "allowed: 7 finite numbers"),
    (PlanRequest("arm", joints=np.full(7, np.nan)), "allowed: 7 finite numbers"),
    (PlanRequest("arm", pose=np.zeros(7)), "allowed: xyz and a unit quaternion"),
    (PlanRequest("arm", pose=np.zeros(0)), "allowed: xyz and a unit quaternion"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(request_, words):
    assert words in check(request_, load_robot("fr3_single"))


def test_a_head_takes_no_pose():
    assert "a pose for a head; allowed" in check(PlanRequest("head", pose=POSE), load_robot("fr3_dual"))
    assert check(PlanRequest("head", named="home"), load_robot("fr3_dual")) == ""


@pytest.mark.parametrize("request_", [
    PlanRequest("arm", pose=POSE), PlanRequest("arm", joints=np.array([0.6, -0.3, 0.2, -2.0, 0.1, 1.8, 0.9])),
    PlanRequest("arm", named="home"),
], ids=["pose", "joints", "home"])  # fmt: skip
def test_a_plan_is_executed_as_a_chunk_and_nothing_is_clamped(single, request_):
    robot, fixtures, planning = single
    motion, ideal = Motion(robot, fixtures), IdealRobot(robot)
    group = robot.arms[0]
    away = np.array([-0.4, -0.5, 0.1, -2.2, 0.0, 1.75, 0.3])
    ideal.positions |= dict(zip(group.joints, away, strict=True))
    motion.set_authority("planner")

    def tick(count):
        for _ in range(count):
            ideal.command(motion.tick(ideal.state(), ideal.time))
            ideal.advance(motion.dt)

    tick(3)
    assert check(request_, robot) == ""
    plan = planning.plan(request_, ideal.state())
    assert plan.planner == "embedded" and plan.dt == STEP_S
    np.testing.assert_allclose(plan.steps[0], away, atol=1e-6)
    now = ideal.now_ns
    action = GroupAction("arm", joint_names=tuple(group.joints), joints=plan.steps)
    assert motion.chunk(ActionChunk("planner", motion.epoch, 1, now, now, plan.dt, (action,)), now, ideal.time) == ""
    tick(round(len(plan.steps) * plan.dt / motion.dt) + 100)
    np.testing.assert_allclose(motion.commanded()["arm"].positions, plan.steps[-1], atol=2e-3)
    assert not any(motion.gate.clamps.values()), motion.gate.clamps
    if request_.pose is not None:
        np.testing.assert_allclose(motion.commanded()["arm"].tool_pose[:3], POSE[:3], atol=2e-3)


def test_what_cannot_be_reached_is_said(single):
    robot, _, planning = single
    state = IdealRobot(robot).state()
    with pytest.raises(NoPlan, match="arm: no joints within the limits reach"):
        planning.plan(PlanRequest("arm", pose=np.array([0.5, 0, -0.1, 1, 0, 0, 0])), state)
    with pytest.raises(NoPlan, match="lacks fr3_joint1"):
        planning.plan(PlanRequest("arm", named="home"), type(state)(0, ("a",), np.zeros(1), np.zeros(1)))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda s: s + 0.1, "begins 0.100 rad from the robot"),
        (lambda s: np.vstack([s, s[-1:] + 0.1]), "ends 0.100 rad from the goal"),
        (lambda s: s * np.nan, "a path that is none"),
        (lambda s: s[:, :3], "a path that is none"),
    ],
)
def test_a_planner_is_not_trusted_with_where_it_begins_and_ends(change, words):
    robot = load_robot("fr3_single")
    home = np.tile(robot.arms[0].home, (3, 1))
    with pytest.raises(NoPlan, match=words):
        verified(change(home), PlanRequest("arm", named="home"), robot.arms[0], IdealRobot(robot).state(), "moveit")


def trajectory(times, positions, velocities, names=("b", "a")):
    points = [
        SimpleNamespace(
            time_from_start=SimpleNamespace(sec=int(t), nanosec=round(t % 1 * 1e9)), positions=p, velocities=v
        )
        for t, p, v in zip(times, positions, velocities, strict=True)
    ]
    return SimpleNamespace(joint_names=list(names), points=points)


def test_a_path_of_moveits_is_resampled_in_our_order():
    pytest.importorskip("rclpy")
    from vipa_ros.moveit.planning import resampled

    times = np.array([0.0, 0.3, 0.62])
    steps = resampled(trajectory(times, np.column_stack([times, 2 * times]), np.tile([1.0, 2.0], (3, 1))), ["a", "b"])
    grid = np.append(np.arange(0, 0.62, STEP_S), 0.62)
    np.testing.assert_allclose(steps, np.column_stack([2 * grid, grid]), atol=1e-9)
    for bad, words in (
        (trajectory([], [], []), "is for b, a"),
        (trajectory(times, [[0, 0]] * 3, [[]] * 3), "no velocities"),
        (trajectory([0, 0.2, 0.2], [[0, 0]] * 3, [[0, 0]] * 3), "do not rise"),
        (trajectory(times, [[0, 0]] * 3, [[0, 0]] * 3, ("a", "c")), "is for a, c"),
    ):
        with pytest.raises(NoPlan, match=words):
            resampled(bad, ["a", "b"])


def test_moveits_process_loads_none_of_our_kinematics():
    pytest.importorskip("rclpy")
    code = (
        "import sys, vipa_ros.nodes.planner, vipa_ros.moveit.planning, vipa.moveit.parameters; "
        "print(sorted({'pinocchio', 'coal', 'ompl', 'ruckig'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    assert done.stdout.strip() == "[]"
