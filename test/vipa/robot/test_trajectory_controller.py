"""The controller does as JointTrajectoryController does.

jtc_4_42_1.json holds what the true one commanded: ros2_controllers 4.42.1, its update() called cycle by cycle.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from vipa.robot.state import JointTrajectory
from vipa.robot.trajectory_controller import TrajectoryController

NAMES = ("a", "b")
TRUE = json.loads(Path(__file__).with_name("jtc_4_42_1.json").read_text(encoding="utf-8"))


def trajectory(times, positions, velocities=None, names=NAMES, start=0.0):
    velocities = np.zeros_like(np.asarray(positions, float)) if velocities is None else np.asarray(velocities, float)
    return JointTrajectory(
        names, np.asarray(times, float), np.asarray(positions, float), velocities, round(1e9 * start)
    )


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


def test_what_began_already_is_followed_from_where_it_is_now(controller):
    points = [0.0, 1.0], [[0.5, 0.5], [1.0, 1.0]]
    ahead = TrajectoryController("arm", NAMES)
    ahead.accept(trajectory(*points), 3.0)
    assert controller.accept(trajectory(*points, start=3.0), 3.4) == ""
    for at_once, late in zip(ahead.sample(np.array([3.4, 3.7, 9.0])), controller.sample(np.array([3.4, 3.7, 9.0]))):
        np.testing.assert_allclose(late, at_once, atol=1e-12)


def test_what_begins_later_is_gone_to_from_the_desired_state(controller):
    assert controller.accept(trajectory([0.0, 1.0], [[0.5, 0.5], [1.0, 1.0]], start=2.0), 1.0) == ""
    positions, velocities = controller.sample(np.array([1.0, 1.5, 2.0, 3.0]))
    np.testing.assert_allclose(positions[:, 0], [0.0, 0.25, 0.5, 1.0], atol=1e-12)
    np.testing.assert_allclose(velocities[[0, 2, 3]], 0.0, atol=1e-12)


def test_what_has_ended_is_rejected(controller):
    late = trajectory([0.5, 1.0], [[0.5, 0.5], [1.0, 1.0]], start=2.0)
    assert controller.accept(late, 3.25) == "arm: ended 0.250 s ago"
    np.testing.assert_array_equal(controller.sample(np.array([3.25]))[0], [[0.0, 1.0]])
    assert controller.accept(late, 3.0) == ""


def commands(case, cycle):
    """What the controller commands, a row a cycle, of joints that follow by the case's lag."""
    made, h = TrajectoryController("arm", NAMES, cycle), 1 / case["rate"]
    made.reset(np.array(TRUE["home"]))
    waiting, out = list(case["trajectories"]), []
    share = 1 - np.exp(-h / case["lag"]) if case["lag"] else 1.0
    measured = np.array(TRUE["home"]), np.zeros(2)
    for k in range(case["every"] * len(case["commands"])):
        now = 1.0 + k * h
        if out:
            step = share * (out[-1] - measured[0])
            measured = measured[0] + step, step / h
        while waiting and 1.0 + waiting[0]["arrives"] <= now + 1e-9:
            t = waiting.pop(0)
            speeds = t.get("velocities", np.zeros((0, 2)))
            start = 0 if t.get("start") is None else round(1e9 * (1 + t["start"]))
            given = JointTrajectory(NAMES, np.array(t["times"]), np.array(t["positions"]), np.array(speeds), start)
            assert made.accept(given, now, None if case["interpolate_from_desired_state"] else measured) == ""
        out.append(made.sample(np.array([now + h]))[0][0])
    return np.array(out)[:: case["every"]]


@pytest.mark.parametrize("case", TRUE["cases"], ids=lambda case: case["name"])
def test_commands_are_the_true_controllers(case):
    np.testing.assert_allclose(commands(case, 1 / case["rate"]), case["commands"], atol=1e-9)


def test_without_its_cycle_a_replacement_differs_from_the_true_controllers():
    replaced = TRUE["cases"][0]
    assert np.abs(commands(replaced, 0.0) - replaced["commands"]).max() > 1e-4


@pytest.mark.parametrize("end, words", [(1.1e-7, ""), (1.3e-7, "not zero"), (-1.3e-7, "not zero")])
def test_what_counts_as_rest_is_the_true_controllers(controller, end, words):
    reason = controller.accept(trajectory([0.1], [[0, 0]], [[0, end]]), 0.0)
    assert words in reason and bool(words) == bool(reason)
