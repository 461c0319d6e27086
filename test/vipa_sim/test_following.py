"""Arms that lag: late by what was asked, in the cell and in the tests' robot; and trajectories that start where they are measured."""

import numpy as np
import pytest

from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.robot.state import JointTrajectory
from vipa.robot.trajectory_controller import TrajectoryController
from vipa.tasks.task import load_task
from vipa_cli.bench.lagging import LaggingRobot
from vipa_sim.cell import SimCell
from vipa_sim.following import Follower, Following, parse

ROBOT = load_robot("fr3_single")
ARM = ROBOT.arms[0]
LATE = Following(lag=0.04, dead_time=0.02)


def ramp(start, speed=0.2, seconds=2.0):
    """The first joint at `speed` rad/s; at its end it stops."""
    times = np.linspace(0.01, seconds, 200)
    positions, velocities = np.tile(start, (200, 1)), np.zeros((200, len(start)))
    positions[:, 0] += speed * times
    velocities[:-1, 0] = speed
    return JointTrajectory(tuple(ARM.joints), times, positions, velocities)


def test_the_cell_lags_by_lag_and_dead_time():
    behind = {}
    for name, following in {"exact": Following(), "late": LATE}.items():
        cell = SimCell(ROBOT, load_task("water_plant"), cameras=(), following=following)
        begin = cell.joint_state().positions[0]
        assert cell.command("arm_controller", ramp(np.array(ARM.home))) == ""
        for _ in range(100):
            cell.step()
        behind[name] = begin + 0.2 - cell.joint_state().positions[0]
    assert abs(behind["exact"]) < 0.002
    assert behind["late"] - behind["exact"] == pytest.approx(0.2 * 0.06, rel=0.03)


def test_the_tests_robot_lags_alike():
    robot = LaggingRobot(ROBOT, LATE)
    robot.command({"arm_controller": ramp(np.array(ARM.home))})
    for _ in range(100):
        robot.advance(0.01)
    assert ARM.home[0] + 0.2 - robot.positions["fr3_joint1"] == pytest.approx(0.2 * 0.06, rel=0.03)
    assert robot.velocities["fr3_joint1"] == pytest.approx(0.2, rel=1e-3)


def test_measured_velocities_are_noisy_the_same_way_for_a_seed():
    seen = []
    for _ in range(2):
        cell = SimCell(ROBOT, load_task("water_plant"), cameras=(), following=Following(velocity_noise=0.01))
        seen.append([])
        for _ in range(200):
            cell.step()
            seen[-1].append(cell.joint_state().velocities)
    np.testing.assert_array_equal(*seen)
    assert np.std(np.array(seen[0])[:, :7]) == pytest.approx(0.01, rel=0.1)


def test_a_trajectory_starts_from_the_measured_state_where_the_controller_says_so():
    """JointTrajectoryController's default. An arm that is behind by 30 ms is asked to catch up within the first 10."""
    q = np.zeros(1)
    command = JointTrajectory(("a",), np.array([0.01, 0.5]), np.array([[0.3], [0.4]]), np.array([[1.0], [0.0]]))
    behind = np.array([0.3 - 0.01 - 0.03]), np.array([1.0])
    for measured, speed in ((None, 60.0), (behind, 6.0)):
        controller = TrajectoryController("arm", ("a",))
        controller.reset(q)
        assert controller.accept(command, 0.0, measured) == ""
        positions, velocities = controller.sample(np.linspace(0, 0.01, 21))
        assert positions[0] == pytest.approx(q if measured is None else measured[0])
        assert np.abs(velocities).max() > speed / 2


def test_both_modes_are_one_for_an_arm_that_does_not_lag():
    modes = [LaggingRobot(ROBOT, Following(interpolate_from_desired_state=mode)) for mode in (True, False)]
    for k in range(50):
        for robot in modes:
            if k % 2 == 0:
                robot.command(
                    {"arm_controller": ramp(np.array([robot.positions[j] for j in ARM.joints]), 0.1 + 0.01 * k)}
                )
            robot.advance(0.01)
    np.testing.assert_allclose(modes[0].state().positions, modes[1].state().positions, atol=1e-9)


def test_a_frozen_controller_stands():
    robot = LaggingRobot(ROBOT, LATE)
    robot.frozen.add("arm_controller")
    robot.command({"arm_controller": ramp(np.array(ARM.home))})
    robot.advance(0.5)
    assert robot.positions["fr3_joint1"] == ARM.home[0]


def test_what_is_exact_changes_nothing():
    follower, random = Follower(Following(), 0.002), np.random.default_rng(0)
    follower.reset(np.zeros(3))
    for row in random.normal(size=(20, 3)):
        np.testing.assert_array_equal(follower.follow(row), row)


def test_parse():
    assert parse("") == Following()
    wanted = Following(0.03, 0.01, 0.002, False)
    assert parse("lag=0.03,dead_time=0.01,velocity_noise=0.002,interpolate_from_desired_state=false") == wanted
    for text, words in {
        "slow=1": "slow", "lag=0.1,lag=0.2": "each once", "lag=x": "a number", "lag=nan": "0 .. 0.5", "lag=-1": "0 .. 0.5",
        "dead_time=9": "0 .. 0.2", "interpolate_from_desired_state=1": "true or false", "lag": "a number",
    }.items():  # fmt: skip
        with pytest.raises(VipaError, match=words.replace(".", r"\.")):
            parse(text)
