"""What motion must keep hearing: wrenches, ROS time, fresh joint states. Without them it holds, and later stops."""

import numpy as np
import pytest

from vipa.motion.motion import Motion
from vipa.robot.description import load_robot
from vipa_cli.bench.ideal_robot import IdealRobot, pose_chunk


def watched():
    """A motion that wants wrenches, with one chunk under way; the robot; how to send a wrench and tick, n times."""
    motion, cell = Motion(load_robot("fr3_single"), watch_wrenches=True), IdealRobot(load_robot("fr3_single"))
    noise = np.random.default_rng(0)

    def ticks(n, wrench=True, clock_lag=0.0, frozen=False):
        for _ in range(n):
            if wrench:
                motion.wrench("arm", np.zeros(6) if frozen else 0.05 * noise.normal(size=6), cell.now_ns, cell.time)
            cell.command(motion.tick(cell.state(), cell.time, cell.now_ns - round(1e9 * clock_lag)))
            cell.advance(motion.dt)

    ticks(5)
    motion.set_authority("commander")
    ticks(5)
    return motion, cell, ticks


def send_line(motion, cell, seq):
    home = motion.commanded()["arm"].tool_pose
    poses = home + np.outer(np.arange(1, 31), [0, 0.01, 0, 0, 0, 0, 0])
    return motion.chunk(pose_chunk(motion, "arm", poses, cell.now_ns, 0.1, seq), cell.now_ns, cell.time)


@pytest.mark.parametrize("fault", [{"wrench": False}, {"clock_lag": 0.3}, {"frozen": True}])
def test_what_must_be_heard_and_is_not_holds_then_stops_and_cannot_be_rearmed(fault):
    motion, cell, ticks = watched()
    assert send_line(motion, cell, 1) == ""
    ticks(50)
    epoch = motion.epoch
    ticks(50, **fault)
    assert motion.epoch > epoch and motion.gate.state.at_rest and not motion.stop_reasons
    assert any(
        word in send_line(motion, cell, 2) for word in ("no wrench of arm", "behind the joint states", "is frozen")
    )
    ticks(5)  # it came back within a second: chunks are welcome again
    assert send_line(motion, cell, 3) == ""
    ticks(140, **fault)
    assert motion.stop_reasons and motion.rearm()
    ticks(5)
    assert motion.rearm() == "" and send_line(motion, cell, 4) == ""


def test_before_the_first_wrench_nothing_moves():
    motion, cell = Motion(load_robot("fr3_single"), watch_wrenches=True), IdealRobot(load_robot("fr3_single"))
    motion.set_authority("commander")
    for _ in range(200):
        cell.command(motion.tick(cell.state(), cell.time))
        cell.advance(motion.dt)
    assert send_line(motion, cell, 1) == "no wrench of arm yet" and not motion.stop_reasons


def test_a_joint_state_that_waited_in_a_queue_moves_nothing():
    motion, cell, ticks = watched()
    assert send_line(motion, cell, 1) == ""
    ticks(50)
    old = cell.state()
    for _ in range(60):
        cell.advance(motion.dt)  # this process stood still: the arm brakes along its last command
    assert motion.tick(old, cell.time, cell.now_ns) == {} and "old" in motion.reasons[0]
    motion.wrench("arm", np.zeros(6), cell.now_ns, cell.time)
    commands = motion.tick(cell.state(), cell.time, cell.now_ns)
    np.testing.assert_allclose(commands["arm_controller"].positions[0], list(cell.positions.values())[:7], atol=1e-3)
