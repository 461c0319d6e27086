"""Distances are those of the arms that are there, not of the ones that are commanded: arms that lag, freeze, or hold something."""

import numpy as np
import pytest

from helpers.dual import DUAL, TABLE, both
from helpers.following import ROBOT, WALL, follow
from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.motion.collision import DistanceField
from vipa.motion.motion import Motion
from vipa.motion.standstill import Standstill
from vipa.robot.fixture import Fixture
from vipa_cli.bench.ideal_robot import IdealRobot, drive
from vipa_cli.bench.lagging import LaggingRobot
from vipa_sim.following import Following

ARMS = {"exact": Following(), "lag": Following(lag=0.06), "lag and dead time": Following(lag=0.06, dead_time=0.03)}


class Real:
    """The least that the pairs `between` two names' links have beyond their margin, as measured."""

    def __init__(self, motion, robot, first, second):
        self.motion, self.robot, self.field, self.least = motion, robot, DistanceField(motion.collisions), np.inf
        self.pairs = np.array(
            [
                k
                for k, names in enumerate(motion.collisions.names)
                if any(a.startswith(first) and b.startswith(second) for a, b in (names, names[::-1]))
            ]
        )

    def look(self):
        k, at = self.motion.kinematics, self.robot.positions
        hands = {
            n: h.opening_at(np.array([at[j] for j in h.hand.joints])) for n, h in self.motion.references.hands.items()
        }
        self.field.move(k.configuration(np.array([at[j] for j in k.joint_names]), hands))
        self.least = min(
            self.least, float((self.field.exact(self.pairs) - self.motion.collisions.margins[self.pairs]).min())
        )


@pytest.mark.parametrize("arms", ARMS)
@pytest.mark.parametrize("speed", [0.1, 0.4])
def test_an_arm_whose_controller_freezes_is_not_run_into(arms, speed):
    """They meet, then both go aside, one behind the other; the one ahead freezes. Seen before: 54 to 61 mm into it."""
    motion, robot = Motion(DUAL, [TABLE]), LaggingRobot(DUAL, ARMS[arms])
    motion.set_authority("commander")
    drive(motion, robot, 0.2)
    homes, begin = {n: motion.commanded()[n].tool_pose for n in ("left", "right")}, robot.time

    def path(name, sign):
        def at(t):
            meet, aside = sign * min(0.2 * t, 0.4 if t < 2.5 else 0.26), speed * max(t - 2.5, 0.0)
            return homes[name] + np.array([0, meet + min(aside, 0.3), 0, 0, 0, 0, 0])

        return at

    source, real = (
        both(motion, {"left": path("left", -1), "right": path("right", 1)}),
        Real(motion, robot, "left_", "right_"),
    )
    while robot.time < begin + 4.0:
        if robot.time >= begin + 2.6:
            robot.frozen.add("left_arm_controller")
        drive(motion, robot, motion.dt, source)
        real.look()
    assert -1e-4 < real.least < 0.003  # they did meet
    assert "stands still" in motion.safety(robot.now_ns).stop_reasons[0]


@pytest.mark.parametrize("arms", ARMS)
def test_an_arm_that_lags_keeps_its_margin_and_is_not_stopped(arms):
    motion, robot = Motion(ROBOT, [WALL]), LaggingRobot(ROBOT, ARMS[arms])
    motion.set_authority("commander")
    drive(motion, robot, 0.2)
    home, real = motion.commanded()["arm"].tool_pose, Real(motion, robot, "fr3", "wall")
    source = follow(motion, lambda t: home + np.array([min(0.5 * t, 0.35), 0.15 * np.sin(4 * t), 0, 0, 0, 0, 0]))
    for _ in range(200):
        drive(motion, robot, motion.dt, source)
        real.look()
    assert -1e-4 < real.least < 0.004 and motion.safety(robot.now_ns).armed


def test_fingers_that_hold_something_are_as_wide_as_they_are_measured():
    """Closed as commanded, 75 % open as measured: the real finger went 24 mm into a block beside it before."""
    block = Fixture("block", [0.45, 0.09, 0.11], [0.2, 0.04, 0.22])
    motion, robot = Motion(ROBOT, [block]), IdealRobot(ROBOT)
    q = motion.kinematics.group("arm").solve(
        np.array([0.45, -0.02, 0.2, 1.0, 0.0, 0.0, 0.0]), np.array(ROBOT.groups[0].home)
    )
    robot.positions |= dict(zip(ROBOT.groups[0].joints, q))
    motion.set_authority("commander")
    drive(motion, robot, 0.1)
    hold = GroupAction("arm", hand_joint_names=("fr3_finger_joint1",), hand=np.zeros((1, 1)))
    assert (
        motion.chunk(
            ActionChunk("commander", motion.epoch, 1, robot.now_ns, robot.now_ns, 0.1, (hold,)),
            robot.now_ns,
            robot.time,
        )
        == ""
    )
    home, real = motion.commanded()["arm"].tool_pose, Real(motion, robot, "fr3_", "block")
    source = follow(motion, lambda t: home + np.array([0, min(0.1 * t, 0.08), 0, 0, 0, 0, 0]), seq=1)
    for _ in range(150):
        drive(motion, robot, motion.dt, source)
        robot.positions["fr3_finger_joint1"] = 0.03  # what is held
        robot.velocities["fr3_finger_joint1"] = 0.0
        real.look()
    assert motion.commanded()["arm"].hand[0] == 0.0
    assert -2e-4 < real.least < 0.004


@pytest.mark.parametrize("lag, dead", [(0.0, 0.0), (0.06, 0.03), (0.08, 0.03)])
def test_who_follows_late_does_not_stand_still(lag, dead):
    """From rest at full acceleration to a stop at 2 rad/s or so, back and forth, and with sharp turns."""
    ways = (
        lambda t: min(5 * t**2, 0.8),
        lambda t: 0.3 * np.sin(5 * t),
        lambda t: 0.05 * np.sin(14 * t),
        lambda t: 0.05 * t,
        lambda t: 0.15 * abs((4 * t) % 2 - 1),
    )
    for way in ways:
        watch, late = Standstill(("a",)), 0.0
        for k in range(300):
            t = 0.01 * k
            late += (way(max(t - dead, 0.0)) - late) * (1 - np.exp(-0.01 / lag) if lag else 1.0)
            assert watch.take(t, np.array([way(t)]), np.array([late])) == ""


def test_who_stands_still_is_noticed():
    watch = Standstill(("a", "b"))
    answers = [
        watch.take(0.01 * k, np.array([0.0, 0.3 * 0.01 * k]), np.array([0.0, min(0.3 * 0.01 * k, 0.3)]))
        for k in range(200)
    ]
    first = next(k for k, answer in enumerate(answers) if answer)
    assert 100 < first <= 100 + 15 + 8 and answers[first].startswith("b stands still: 0.0")
    watch.reset()
    assert watch.take(3.0, np.zeros(2), np.ones(2)) == ""
