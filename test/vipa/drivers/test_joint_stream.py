"""What driver `franky` makes of motion's commands: velocities that follow, a brake when they end, refusals."""

import numpy as np
import pytest

from vipa.drivers.joint_stream import END_S, JointStream
from vipa.robot.state import JointTrajectory

NAMES = ("a", "b")
LIMITS = np.array([-2.0, -1.0]), np.array([2.0, 1.0]), np.array([1.0, 0.5])
STEP = 0.01


def stream():
    return JointStream("arm", list(NAMES), LIMITS)


def command(q, v, tail=10):
    """One point a step away, at `q` with `v`, then `tail` points that brake to rest."""
    q, v = np.asarray(q, float), np.asarray(v, float)
    times = STEP * np.arange(1, tail + 2)
    share = np.linspace(1, 0, tail + 1)[:, None]
    velocities = share * v
    positions = q + np.vstack([np.zeros(2), np.cumsum(STEP * (velocities[1:] + velocities[:-1]) / 2, axis=0)])
    return JointTrajectory(NAMES, times, positions, velocities)


def followed(seconds, until, speed=(0.4, -0.2), start=0.0):
    """(T, 2) positions of an arm that does what it is given, while commands of constant `speed` come up to `until`."""
    made, q, rows, speed = stream(), np.zeros(2), [], np.array(speed)
    for i in range(round(seconds / STEP)):
        now = start + i * STEP
        if now - start < until:
            assert made.take(command(speed * (i + 1) * STEP, speed), 0.005, now, q) == ""
        velocity = made.velocity(now, q)
        q = q + STEP * (velocity if velocity is not None else 0)
        rows.append(q)
    return made, np.array(rows)


def test_an_arm_that_does_as_it_is_told_follows_to_a_milliradian():
    _, rows = followed(1.0, 1.0)
    due = np.outer(STEP * np.arange(1, 101), (0.4, -0.2))
    assert np.abs(rows - due)[10:].max() < 0.001


def test_when_commands_end_the_arm_brakes_along_the_last_ones_tail_and_is_given_back():
    made, rows = followed(1.2, 0.5)
    assert np.abs(rows[50:] - rows[49]).max() < 0.4 * 0.06  # the tail of 0.1 s, on average half as fast
    assert np.abs(np.diff(rows[70:], axis=0)).max() < 2e-4  # 0.02 rad/s
    assert not made.following and made.velocity(1.2, rows[-1]) is None
    assert made.take(command(rows[-1], (0, 0)), 0.0, 2.0, rows[-1]) == "" and made.following


def test_an_arm_that_stands_elsewhere_is_not_pulled_to_where_motion_holds():
    made = stream()
    assert "begins 0.040 rad beside where it is" in made.take(command((0.04, 0), (0, 0)), 0.0, 0.0, np.zeros(2))
    assert not made.following
    assert made.take(command((0.02, 0), (0, 0)), 0.0, 0.0, np.zeros(2)) == ""


def test_it_is_given_back_only_when_it_has_long_stood():
    made, q = stream(), np.zeros(2)
    made.take(command((0.004, 0), (0.4, 0)), 0.0, 0.0, q)
    assert made.velocity(END_S - 0.01, np.array([0.024, 0])) == pytest.approx(0, abs=0.01)
    assert made.velocity(END_S + 0.01, np.array([0.024, 0])) is None


def test_a_velocity_is_never_above_the_limits_however_far_the_arm_is_behind():
    made = stream()
    made.take(command((0.01, 0.005), (1.0, 0.5)), 0.0, 0.0, np.zeros(2))
    assert np.abs(made.velocity(0.01, np.array([-1.5, 1.0]))).tolist() == [1.0, 0.5]


BAD = {
    "a command that answers a joint state of 0.300 s ago": (command((0, 0), (0, 0)), 0.3),
    "a command that answers a joint state of -0.500 s ago": (command((0, 0), (0, 0)), -0.5),
    "rad beside where it is": (command((0.5, 0), (0, 0)), 0.0),
    "b from 0.000 to 1.500": (
        JointTrajectory(NAMES, np.array([0.01, 1.0]), np.array([[0, 0], [0, 1.5]]), np.zeros((2, 2))),
        0.0,
    ),
    "a at 1.200 rad/s": (command((0, 0), (1.2, 0)), 0.0),
    "a value is not finite": (command((np.nan, 0), (0, 0)), 0.0),
    "joints b, a": (JointTrajectory(("b", "a"), np.array([0.01]), np.zeros((1, 2)), np.zeros((1, 2))), 0.0),
    "velocities (0,)": (JointTrajectory(NAMES, np.array([0.01]), np.zeros((1, 2)), np.zeros(0)), 0.0),
    "velocity at the last point": (
        JointTrajectory(NAMES, np.array([0.01]), np.zeros((1, 2)), np.full((1, 2), 0.1)),
        0.0,
    ),
    "strictly increasing": (JointTrajectory(NAMES, np.array([0.01, 0.01]), np.zeros((2, 2)), np.zeros((2, 2))), 0.0),
}


@pytest.mark.parametrize("why", BAD)
def test_what_is_refused_changes_nothing(why):
    made, q = stream(), np.zeros(2)
    assert made.take(command((0.004, 0), (0.4, 0)), 0.0, 0.0, q) == ""
    before = made.velocity(0.02, q)
    bad, age = BAD[why]
    assert why in made.take(bad, age, 0.01, q)
    assert np.array_equal(made.velocity(0.02, q), before)
    fresh = stream()
    assert why in fresh.take(bad, age, 0.0, q) and not fresh.following
