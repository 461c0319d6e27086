"""What a controller draws between motion's points, command by command, with commands that are under way for a while."""

import numpy as np
import pytest

from helpers.driven_controller import Rig, figures, wave
from helpers.following import ROBOT

ARM = ROBOT.groups[0]
HOME = np.array(ARM.home)
TICK = 1.0 / ROBOT.control_rate


@pytest.mark.parametrize("rate", [250, 1000])
def test_between_the_points_of_dated_commands_every_limit_holds(rate):
    rig = Rig(True, rate)
    rig.run(0.8, wave)
    speed, acceleration = rig.most()
    assert 0.15 < speed <= 1.0 and acceleration <= 1.0


@pytest.mark.parametrize("rate, leap", [(250, 10), (1000, 50)])
def test_commands_that_begin_when_they_arrive_leap(rate, leap):
    rig = Rig(False, rate)
    rig.run(0.8, wave)
    assert rig.most()[1] > leap


@pytest.mark.parametrize("robot, control_rate, rate, lag, desired", [
    ("fr3_single", 100, 250, 0.06, True), ("fr3_single", 250, 1000, 0.04, False), ("ur5e_single", 200, 500, 0.02, True),
])  # fmt: skip
def test_arms_that_lag_are_followed_spliced_and_stopped_at_any_rate_of_commands(
    robot, control_rate, rate, lag, desired
):
    speed, acceleration, rms, most, stopped, way, dead, dead_way = figures(robot, control_rate, rate, lag, desired)
    assert 0.15 < speed <= 1.0 and acceleration <= 1.0
    assert rms <= most < 0.035
    assert max(stopped, dead) < 0.1 + 4.5 * lag and max(way, dead_way) < 0.08


def test_the_arm_comes_to_rest_where_planned_when_motion_dies():
    rig = Rig(True)
    rig.run(1.0, wave)
    end = rig.sent[-1].positions[-1]
    rig.run(1.0, listening=False)
    np.testing.assert_allclose(rig.commands[-1], end, atol=1e-9)
    assert max(rig.most(1.0)) <= 1.0


def test_a_tick_that_comes_late_finds_the_arm_on_its_way_to_rest():
    rig = Rig(True, way=(0.001, 0.004))
    rig.run(0.9, wave, late=(0.4, 0.7))
    assert max(rig.most()) <= 1.0


def test_joint_states_at_30_hz():
    rig = Rig(True)
    rig.run(0.6, states_hz=30)  # the rate is known
    rig.run(1.0, wave, states_hz=30)
    assert rig.most()[0] > 0.15 and max(rig.most()) <= 1.0


def test_the_first_command_begins_when_it_arrives_the_next_repeat_what_is_followed():
    rig = Rig(True)
    rig.run(0.5, wave)
    first, *others = rig.sent
    assert first.start_ns == 0 and all(c.start_ns > 0 for c in others)
    for before, after in zip(others, others[1:]):
        begin = (after.start_ns - before.start_ns) / 1e9
        row = np.searchsorted(before.times, begin - 1e-6)
        np.testing.assert_allclose(after.positions[0], before.positions[row], atol=1e-9)
        np.testing.assert_allclose(after.velocities[0], before.velocities[row], atol=1e-9)


def test_after_a_rearm_elsewhere_the_command_begins_when_it_arrives():
    rig = Rig(True)
    rig.run(0.2)
    rig.motion.estop("test")
    rig.controller.reset(HOME + 0.3)  # moved by hand: what is commanded does nothing
    rig.waiting, rig.way = [], (9.0, 9.0)
    rig.run(0.1)
    assert rig.motion.rearm() == ""
    rig.waiting, rig.way, count = [], (0.001, 0.008), len(rig.sent)
    rig.run(0.05)
    assert [c.start_ns == 0 for c in rig.sent[count : count + 3]] == [True, False, False]
    np.testing.assert_allclose(rig.sent[-1].positions, np.tile(HOME + 0.3, (len(rig.sent[-1].times), 1)), atol=1e-6)


@pytest.mark.parametrize("age, delay", [(0.0, 0.01), (0.002, 0.012), (0.03, 0.04)])
def test_older_joint_states_are_answered_later(age, delay):
    rig = Rig(True, age=age)
    rig.run(0.6)
    assert rig.motion.dating.delay == pytest.approx(delay)
    rig.age = 0.005
    rig.run(0.5, wave)  # under way it stays
    assert rig.motion.dating.delay == pytest.approx(delay)


def test_clocks_that_differ_delay_by_what_joint_states_may_be_old():
    rig = Rig(True, age=-0.02)  # this host's clock is behind the controller's
    rig.run(0.5, wave)
    assert rig.motion.dating.delay == pytest.approx(TICK) and max(rig.most()) <= 1.0


def test_a_command_that_comes_too_late_is_not_sent_and_the_arm_goes_on_as_planned():
    rig = Rig(True)
    rig.run(0.5, wave)
    count, age = len(rig.sent), rig.age
    rig.age = 0.03
    rig.run(0.045, wave)
    assert (
        len(rig.sent) == count and "not sent: a command 30 ms after its joint state; allowed: 12" in rig.motion.reasons
    )
    rig.age = age
    rig.run(0.3, wave)
    assert len(rig.sent) > count + 20 and max(rig.most()) <= 1.0


def test_late_commands_that_were_sent_would_leap():
    rig = Rig(True)
    rig.motion.timely = lambda commands, _: commands
    rig.run(0.5, wave)
    rig.way = (0.028, 0.03)
    rig.run(0.3, wave)
    assert rig.most()[1] > 5
