"""The controller does as JointTrajectoryController does."""

import numpy as np
import pytest

from vipa.robot.state import JointTrajectory
from vipa.robot.trajectory_controller import TrajectoryController

NAMES = ("a", "b")


def trajectory(times, positions, velocities=None, names=NAMES):
    velocities = np.zeros_like(np.asarray(positions, float)) if velocities is None else np.asarray(velocities, float)
    return JointTrajectory(names, np.asarray(times, float), np.asarray(positions, float), velocities)


@pytest.fixture
def controller():
    made = TrajectoryController("arm", NAMES)
    made.reset(np.array([0.0, 1.0]))
    return made


@pytest.mark.parametrize(
    "bad, words",
    [
        (trajectory([1], [[0, 0]], names=("a", "c")), "unknown joint(s) c; allowed: a, b"),
        (trajectory([1], [[0]], names=("a",)), "joint(s) b missing"),
        (trajectory([1], [[0, 0, 0]], names=("a", "b", "a")), "named twice"),
        (trajectory([], np.zeros((0, 2))), "empty"),
        (trajectory([1, 1], [[0, 0], [1, 1]]), "strictly increasing"),
        (trajectory([2, 1], [[0, 0], [1, 1]]), "strictly increasing"),
        (trajectory([-0.1, 1], [[0, 0], [1, 1]]), ">= 0"),
        (trajectory([1], [[0, 0]], [[0, 0.1]]), "not zero"),
        (trajectory([1], [[0, np.nan]]), "not finite"),
        (trajectory([np.inf], [[0, 0]]), "not finite"),
        (trajectory([1], [[0, 0]], [[0, np.nan]]), "not finite"),
        (trajectory([1, 2], [[0, 0]]), "shape (1, 2), want (2, 2)"),
        (trajectory([1], [[0, 0, 0]]), "want (1, 2)"),
        (trajectory([1], [[0, 0]], [[0, 0, 0]]), "velocities have shape"),
    ],
)
def test_rejects_and_keeps_what_it_did(controller, bad, words):
    assert controller.accept(trajectory([1.0], [[1.0, 1.0]]), 0.0) == ""
    before = controller.sample(np.linspace(0, 2, 9))
    reason = controller.accept(bad, 0.3)
    assert reason.startswith("arm: ") and words in reason
    for old, new in zip(before, controller.sample(np.linspace(0, 2, 9))):
        np.testing.assert_array_equal(old, new)


def test_cubic_with_velocities_line_without(controller):
    controller.accept(trajectory([1.0], [[1.0, 1.0]]), 10.0)
    positions, velocities = controller.sample(np.array([10.0, 10.25, 10.5, 11.0, 50.0]))
    np.testing.assert_allclose(positions[:, 0], [0, 3 * 0.0625 - 2 * 0.015625, 0.5, 1, 1])
    np.testing.assert_allclose(velocities[:, 0], [0, 6 * 0.25 - 6 * 0.0625, 1.5, 0, 0], atol=1e-12)

    controller.reset(np.array([0.0, 1.0]))
    line = JointTrajectory(NAMES, np.array([1.0]), np.array([[1.0, 1.0]]), np.zeros((0, 2)))
    assert controller.accept(line, 10.0) == ""
    positions, velocities = controller.sample(np.array([10.25, 11.0]))
    np.testing.assert_allclose(positions[:, 0], [0.25, 1.0])
    np.testing.assert_allclose(velocities[:, 0], [1.0, 0.0])


def test_passes_through_points_at_their_velocities(controller):
    controller.accept(trajectory([0.5, 1.0], [[0.4, 1.2], [0.5, 1.0]], [[0.7, -0.1], [0, 0]]), 2.0)
    positions, velocities = controller.sample(np.array([2.5, 2.5 - 1e-9]))
    np.testing.assert_allclose(positions, [[0.4, 1.2]] * 2, atol=1e-8)
    np.testing.assert_allclose(velocities, [[0.7, -0.1]] * 2, atol=1e-7)


def test_replacement_continues_from_the_desired_state(controller):
    controller.accept(trajectory([1.0], [[1.0, 1.0]]), 0.0)
    at = controller.sample(np.array([0.4]))
    controller.accept(trajectory([0.6], [[-1.0, 0.0]]), 0.4)
    for old, new in zip(at, controller.sample(np.array([0.4]))):
        np.testing.assert_allclose(old, new, atol=1e-12)
    np.testing.assert_allclose(controller.sample(np.array([1.0, 9.0]))[0], [[-1.0, 0.0]] * 2)


def test_a_point_at_time_zero_is_the_start(controller):
    controller.accept(trajectory([0.0, 1.0], [[0.5, 0.5], [1.0, 1.0]]), 0.0)
    np.testing.assert_allclose(controller.sample(np.array([0.0]))[0], [[0.5, 0.5]])


def test_joints_in_any_order(controller):
    controller.accept(trajectory([1.0], [[7.0, 8.0]], names=("b", "a")), 0.0)
    np.testing.assert_allclose(controller.sample(np.array([1.0]))[0], [[8.0, 7.0]])
