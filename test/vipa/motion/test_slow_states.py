"""Joint states at other rates than the control rate: followed rightly from 30 Hz on, refused by name below."""

import numpy as np
import pytest

from helpers.following import ROBOT, start
from vipa.motion.chunk import Mode
from vipa_cli.bench.ideal_robot import pose_chunk

SPEED, TIME = 0.2, 1.5  # m/s and seconds of a line, and as long again to come to its end


def follow_at(rate, jitter=0.0):
    """A line of 0.3 m with joint states at `rate` Hz: how far the tool is when it should be there, and what was exceeded."""
    motion, cell = start()
    random = np.random.default_rng(1)

    def tick():
        cell.command(motion.tick(cell.state(), cell.time))
        before = np.array([cell.velocities[n] for n in motion.kinematics.joint_names])
        gap = (1 + jitter * random.uniform(-1, 1)) / rate
        fastest, elapsed = 0.0, 0.0
        while elapsed < gap - 1e-9:
            step = min(0.002, gap - elapsed)
            cell.advance(step)
            elapsed += step
            now = np.array([cell.velocities[n] for n in motion.kinematics.joint_names])
            fastest, before = max(fastest, float((np.abs(now - before) / step / motion.gate.acceleration).max())), now
        return fastest

    for _ in range(30):
        tick()
    home = motion.groups()["arm"].tool_pose
    poses = home + np.outer(np.arange(1, 16) * 0.1 * SPEED, [0, 1, 0, 0, 0, 0, 0])
    answer = motion.chunk(pose_chunk(motion, "arm", poses, cell.now_ns + 100_000_000, 0.1, 1), cell.now_ns, cell.time)
    begin, half, hardest = cell.time, None, 0.0
    while cell.time < begin + 2 * TIME:
        hardest = max(hardest, tick())
        if half is None and cell.time >= begin + TIME / 2:
            half = motion.groups()["arm"].tool_pose[1] - home[1], SPEED * (cell.time - begin)
    return motion, cell, answer, half, motion.groups()["arm"].tool_pose[1] - home[1], hardest


@pytest.mark.parametrize("rate", [30, 33, 40, 50, 60, 80, 90, 100, 125, 250, 1000])
def test_a_line_is_followed_at_every_rate_from_30_hz_on(rate):
    motion, cell, answer, (at, due), end, hardest = follow_at(rate)
    assert answer == "" and not motion.stop_reasons
    assert at == pytest.approx(due, abs=0.02)  # in mid-way: 20 mm are 0.1 s
    assert end == pytest.approx(SPEED * TIME, abs=2e-3)
    assert hardest <= 1.05
    assert motion.status(cell.now_ns, cell.time).joint_state_rate == pytest.approx(rate, rel=0.02)


def test_slow_joint_states_with_jitter_are_followed():
    motion, _, answer, (at, due), end, _ = follow_at(30, jitter=0.15)
    assert answer == "" and not motion.stop_reasons
    assert at == pytest.approx(due, abs=0.03) and end == pytest.approx(SPEED * TIME, abs=3e-3)


def test_slower_joint_states_are_refused_by_name():
    motion, cell, answer, _, end, _ = follow_at(20)
    assert "joint states come at 20.0 Hz; allowed: 30 or more" in answer and end == pytest.approx(0, abs=1e-6)
    assert motion.status(cell.now_ns, cell.time).mode == Mode.STOPPED


def test_a_rate_that_falls_in_mid_motion_keeps_every_limit():
    motion, cell = start()
    home = motion.commanded()["arm"].tool_pose
    poses = home + np.outer(np.arange(1, 31) * 0.1 * SPEED, [0, 1, 0, 0, 0, 0, 0])
    assert motion.chunk(pose_chunk(motion, "arm", poses, cell.now_ns, 0.1, 1), cell.now_ns, cell.time) == ""
    for k in range(120):
        cell.command(motion.tick(cell.state(), cell.time))
        end = motion.gate.plan.at(motion.dt)
        assert np.all(np.abs(end.v) <= motion.gate.velocity + 1e-5) and np.all(
            np.abs(end.a) <= motion.gate.acceleration + 1e-5
        )
        cell.advance(0.01 if k < 60 else 1 / 30)
    assert motion.dt == pytest.approx(1 / 30, rel=0.01) and not motion.stop_reasons
    assert len(ROBOT.arms) == 1
