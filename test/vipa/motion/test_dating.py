"""What a controller draws between motion's points, command by command, with commands that are under way for a while."""

import numpy as np
import pytest

from helpers.following import ROBOT
from vipa.motion.motion import Motion
from vipa.robot.trajectory_controller import TrajectoryController
from vipa_cli.bench.ideal_robot import IdealRobot, joint_chunk

ARM = ROBOT.groups[0]
HOME = np.array(ARM.home)
EPOCH = 1.0  # seconds, IdealRobot's ROS time at its time 0
TICK = 1.0 / ROBOT.control_rate


class Rig:
    """Motion and one JointTrajectoryController of `rate` Hz whose joint states are `age` seconds old when they come. A command is
    under way for `way` seconds, drawn between the two. commands: (N, J), what the controller gave the arm, a row a cycle."""

    def __init__(self, dated, rate=500, way=(0.001, 0.008), age=0.002):
        self.motion, self.robot = Motion(ROBOT, dated=dated), IdealRobot(ROBOT)
        self.motion.set_authority("commander")
        self.controller = TrajectoryController("arm", ARM.joints, cycle=1 / rate)
        self.controller.reset(HOME)
        self.cycle, self.way, self.age = 1 / rate, way, age
        self.random, self.waiting, self.sent, self.commands = np.random.default_rng(0), [], [], []
        self.count, self.begun, self.asked = 0, None, -1.0

    def run(self, seconds, wave=None, listening=True, states_hz=np.inf, late=()):
        """wave: the joints' way from home (J,) rad at a time. late: times at which motion sleeps for 25 ms."""
        said = resumes = -1.0
        for _ in range(round(seconds / self.cycle)):
            now = self.count * self.cycle
            self.count += 1
            for command in [c for due, c in self.waiting if due <= now]:
                assert self.controller.accept(command, EPOCH + now) == ""
            self.waiting = [(due, c) for due, c in self.waiting if due > now]
            q, v = (row[0] for row in self.controller.sample(np.array([EPOCH + now + self.cycle])))
            self.commands.append(q)
            if any(now - 0.025 < t <= now for t in late):
                resumes = now
            if listening and now > resumes and now - said > 1 / states_hz - 1e-9:
                said, self.robot.time = now, now
                self._tick(now, wave)
            self.robot.positions |= dict(zip(ARM.joints, q))
            self.robot.velocities |= dict(zip(ARM.joints, v))

    def _tick(self, now, wave):
        ns = self.robot.now_ns
        sent_ns = ns + round(1e9 * self.age)
        command = self.motion.timely(self.motion.tick(self.robot.state(), now, sent_ns), sent_ns).get(ARM.controller)
        if command is None:
            return
        self.sent.append(command)
        self.waiting.append((now + self.random.uniform(*self.way), command))
        if wave is not None and now > self.asked + 0.029:
            self.asked = now
            self.begun = now if self.begun is None else self.begun
            steps = np.array([HOME + wave(now - self.begun + k * 0.05) for k in range(5)])
            assert self.motion.chunk(joint_chunk(self.motion, "arm", steps, ns, 0.05, self.count), ns, now) == ""

    def most(self, since=0.0):
        """The most speed and acceleration between the controller's commands, in the arm's limits."""
        commands = np.array(self.commands)[round(since / self.cycle) :]
        v = np.diff(commands, axis=0) / self.cycle
        a = np.diff(v, axis=0) / self.cycle
        return np.abs(v / ARM.max_velocity).max(), np.abs(a / ARM.max_acceleration).max()


def wave(t):
    """Sets in at once, so that most of the acceleration is used."""
    return 0.35 * np.sin(4.0 * t) * np.array([1, 0.4, 1, 0.4, 1, 0.4, 1])


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
