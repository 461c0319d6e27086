"""Motion and the JointTrajectoryController of ros2_control, cycle by cycle in a time of their own, with commands that are under way
for a while and arms that lag.

`PYTHONPATH=test .venv/bin/python test/helpers/driven_controller.py` prints the table of docs/safety.md, *Controllers*.
"""

import dataclasses

import numpy as np

from helpers.following import ROBOT
from vipa.motion.motion import Motion
from vipa.robot.description import load_robot
from vipa.robot.trajectory_controller import TrajectoryController
from vipa_cli.bench.ideal_robot import IdealRobot, joint_chunk
from vipa_sim.following import Follower, Following

EPOCH = 1.0  # seconds, IdealRobot's ROS time at its time 0
AT_REST = 0.01  # rad/s of every joint


class Rig:
    """Motion and one JointTrajectoryController of `rate` Hz whose joint states are `age` seconds old when they come. A command is
    under way for `way` seconds, drawn between the two. commands, measured: (N, J), what the controller gave the arm and where that
    was, a row a cycle.

    lag: seconds, of the first order. desired: where a trajectory begins, as Following has it.
    """

    def __init__(self, dated, rate=500, way=(0.001, 0.008), age=0.002, robot=ROBOT, lag=0.0, desired=True):
        self.motion, self.robot, self.arm = Motion(robot, dated=dated), IdealRobot(robot), robot.groups[0]
        self.home = np.array(self.arm.home)
        self.motion.set_authority("commander")
        self.controller = TrajectoryController("arm", self.arm.joints, cycle=1 / rate)
        self.controller.reset(self.home)
        self.follower, self.desired = Follower(Following(lag=lag), 1 / rate), desired
        self.follower.reset(self.home)
        self.cycle, self.way, self.age = 1 / rate, way, age
        self.random, self.waiting, self.sent = np.random.default_rng(0), [], []
        self.commands, self.measured = [], []
        self.count, self.begun, self.asked = 0, None, -1.0

    def run(self, seconds, wave=None, listening=True, states_hz=np.inf, late=()):
        """wave: the joints' way from home (J,) rad at a time. late: times at which motion sleeps for 25 ms."""
        said = resumes = -1.0
        joints = self.arm.joints
        for _ in range(round(seconds / self.cycle)):
            now = self.count * self.cycle
            self.count += 1
            at = (
                np.array([self.robot.positions[j] for j in joints]),
                np.array([self.robot.velocities[j] for j in joints]),
            )
            for command in [c for due, c in self.waiting if due <= now]:
                assert self.controller.accept(command, EPOCH + now, None if self.desired else at) == ""
            self.waiting = [(due, c) for due, c in self.waiting if due > now]
            command = self.controller.sample(np.array([EPOCH + now + self.cycle]))[0][0]
            self.commands.append(command)
            self.measured.append(at[0])
            if any(now - 0.025 < t <= now for t in late):
                resumes = now
            if listening and now > resumes and now - said > 1 / states_hz - 1e-9:
                said, self.robot.time = now, now
                self._tick(now, wave)
            q = self.follower.follow(command)
            self.robot.velocities |= dict(zip(joints, (q - at[0]) / self.cycle))
            self.robot.positions |= dict(zip(joints, q))

    def _tick(self, now, wave):
        ns = self.robot.now_ns
        sent_ns = ns + round(1e9 * self.age)
        command = self.motion.timely(self.motion.tick(self.robot.state(), now, sent_ns), sent_ns).get(
            self.arm.controller
        )
        if command is None:
            return
        self.sent.append(command)
        self.waiting.append((now + self.random.uniform(*self.way), command))
        if wave is not None and now > self.asked + 0.029:
            self.asked = now
            self.begun = now if self.begun is None else self.begun
            steps = np.array([self.home + wave(now - self.begun + k * 0.05) for k in range(5)])
            assert self.motion.chunk(joint_chunk(self.motion, "arm", steps, ns, 0.05, self.count), ns, now) == ""

    def most(self, since=0.0):
        """The most speed and acceleration between the controller's commands, in the arm's limits."""
        commands = np.array(self.commands)[round(since / self.cycle) :]
        v = np.diff(commands, axis=0) / self.cycle
        a = np.diff(v, axis=0) / self.cycle
        return np.abs(v / self.arm.max_velocity).max(), np.abs(a / self.arm.max_acceleration).max()

    def behind(self, since=0.0):
        """How far the arm is behind what it was commanded, radians: rms and most of the joint that is furthest."""
        rows = slice(round(since / self.cycle), None)
        off = np.abs(np.array(self.commands)[rows] - np.array(self.measured)[rows]).max(axis=1)
        return float(np.sqrt(np.mean(off**2))), float(off.max())

    def to_rest(self, since):
        """Seconds from the time `since` until the arm, as measured, stays at rest, and the tool's way in metres."""
        rows = np.array(self.measured)[round(since / self.cycle) :]
        speeds = np.abs(np.diff(rows, axis=0)).max(axis=1) / self.cycle
        moving = np.flatnonzero(speeds > AT_REST)
        forward = self.motion.kinematics.group("arm").forward
        points = np.array([forward(row)[:3] for row in rows[:: max(1, round(0.002 / self.cycle))]])
        way = float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
        return (float(moving[-1] + 1) * self.cycle if len(moving) else 0.0), way


def wave(t):
    """Sets in at once, so that most of the acceleration is used."""
    return 0.35 * np.sin(4.0 * t) * np.array([1, 0.4, 1, 0.4, 1, 0.4, 1])


def spliced(joints):
    """A wave that turns round in its midst, as an answer does that contradicts the one before."""
    return lambda t: wave(t)[:joints] if t < 0.6 else wave(1.2 - t)[:joints]


def figures(name, control_rate, rate, lag, desired, seconds=1.2):
    """A row: speed, acceleration, behind (rms, most), of an e-stop and of motion's death each seconds and metres to rest."""
    robot = dataclasses.replace(load_robot(name), control_rate=float(control_rate))
    n, period = len(robot.groups[0].joints), 1 / control_rate
    row, ends = [], []
    for end in ("estop", "dead"):
        rig = Rig(True, rate, (0.1 * period, 0.8 * period), 0.2 * period, robot, lag, desired)
        rig.run(seconds, spliced(n))
        if not row:
            row = [*rig.most(), *rig.behind(0.2)]
        assert not rig.motion.stop_reasons and rig.sent[-1].start_ns > 0
        sent = len(rig.sent)
        if end == "estop":
            rig.motion.estop("test")
        rig.run(0.8, None, listening=end == "estop")
        assert (len(rig.sent) > sent) == (end == "estop")
        row[0], row[1] = max(row[0], rig.most()[0]), max(row[1], rig.most()[1])
        ends.append(rig.to_rest(seconds))
    return [*row, *ends[0], *ends[1]]


if __name__ == "__main__":
    print(
        "| robot | commands Hz | cycles Hz | lag ms | begins | speed | acceleration | behind rms, most mrad | e-stop s, m | dead s, m |"
    )
    for name in ("fr3_single", "ur5e_single"):
        for control_rate, rate in ((100, 250), (100, 500), (100, 1000), (200, 1000), (250, 500), (250, 1000)):
            for lag, desired in ((0.0, True), (0.02, True), (0.04, True), (0.06, True), (0.04, False)):
                v, a, rms, most, t1, m1, t2, m2 = figures(name, control_rate, rate, lag, desired)
                begins = "desired" if desired else "measured"
                print(f"| {name} | {control_rate} | {rate} | {1e3 * lag:g} | {begins} | {v:.2f} | {a:.2f} | {1e3 * rms:.1f}, {1e3 * most:.1f} "
                      f"| {t1:.3f}, {m1:.3f} | {t2:.3f}, {m2:.3f} |", flush=True)  # fmt: skip
