"""The start guard: a first target far from where the arm is measured is refused, of either kind and from any commander."""

import numpy as np
import pytest

from helpers.following import ROBOT, follow, line, moving, reset_cell, start, tool
from vipa.robot.kinematics import Kinematics
from vipa_cli.bench.ideal_robot import drive, joint_chunk, pose_chunk

FAR = np.array([0, 0, 0, 0.5, 0, 0, 2.5])  # rad


def joints(motion, cell, offset, seq=1, start_s=0.0):
    q = motion.measured.q + np.asarray(offset, float)
    chunk = joint_chunk(motion, "arm", np.tile(q, (3, 1)), cell.now_ns + round(start_s * 1e9), 0.1, seq)
    return motion.chunk(chunk, cell.now_ns, cell.time)


def poses(motion, cell, offset, seq=1, start_s=0.0):
    pose = motion.groups()["arm"].tool_pose + np.concatenate([offset, np.zeros(4)])
    return motion.chunk(
        pose_chunk(motion, "arm", np.tile(pose, (3, 1)), cell.now_ns + round(start_s * 1e9), 0.1, seq),
        cell.now_ns,
        cell.time,
    )


def fresh():
    return start()


def rearmed():
    motion, cell = moving()
    motion.estop("test")
    drive(motion, cell, 0.5)
    assert motion.rearm() == ""
    drive(motion, cell, 0.05)
    return motion, cell


def taken_over():
    motion, cell = moving()
    motion.set_authority("")
    motion.set_authority("commander")
    drive(motion, cell, 0.5)
    return motion, cell


def reconnected():
    """The commander fell silent, its chunk is done, the arm rests."""
    motion, cell = moving()
    drive(motion, cell, 3.0)
    assert motion.current is None
    return motion, cell


def reset():
    """A re-arm takes the cell as it stands, elsewhere than the last command led."""
    motion, cell = moving()
    reset_cell(motion, cell, 0.5)
    drive(motion, cell, 0.05)
    return motion, cell


@pytest.mark.parametrize("begin", [fresh, rearmed, taken_over, reconnected, reset])
def test_a_first_target_far_from_the_measured_arm_is_refused_and_moves_nothing(begin):
    motion, cell = begin()
    before, seq = motion.measured.q.copy(), 10**6
    why = joints(motion, cell, FAR, seq)
    assert why == (
        "arm: its first step lies far from the joints: fr3_joint4 0.500 rad (allowed: 0.350), "
        "fr3_joint7 2.500 rad (allowed: 0.350)"
    )
    assert poses(motion, cell, [0, 0.3, 0], seq) == "arm: its first step lies 0.300 m from the tool; allowed: 0.250"
    drive(motion, cell, 0.5)
    np.testing.assert_allclose(motion.measured.q, before, atol=0.02)  # its posture may still settle
    assert joints(motion, cell, 0.1 * FAR, seq + 1) == ""  # near enough


def test_what_the_speed_allows_until_a_step_is_due_is_no_leap_from_rest_if_it_is_slow():
    motion, cell = start()
    limit = np.asarray(ROBOT.groups[0].max_velocity)[6]
    assert joints(motion, cell, [0, 0, 0, 0, 0, 0, 0.35 + 0.24 * limit], 1, start_s=1.0) == ""
    motion, cell = start()
    assert "fr3_joint7" in joints(motion, cell, [0, 0, 0, 0, 0, 0, 0.35 + 0.26 * limit], 1, start_s=1.0)


def test_a_commander_who_plans_from_a_stale_place_is_refused_after_the_arm_was_moved_by_hand():
    """What counts is the measured arm, not the last command: here it was led away by less than the tracking bound, in steps."""
    motion, cell = start()
    commanded = tool(motion)
    for _ in range(60):
        cell.followed.clear()
        cell.positions["fr3_joint1"] += 0.0024  # less than a leap a tick
        cell.time += motion.dt
        motion.tick(cell.state(), cell.time)
    q = np.array([cell.positions[n] for n in motion.kinematics.joint_names])
    here = Kinematics(ROBOT).groups["arm"].forward(q)
    away = np.linalg.norm(here[:3] - commanded[:3])
    assert away > 0.05
    far = commanded - np.concatenate([(0.22 / away) * (here[:3] - commanded[:3]), np.zeros(4)])
    assert "from the tool; allowed: 0.250" in motion.chunk(
        pose_chunk(motion, "arm", far, cell.now_ns, 0.1, 1), cell.now_ns, cell.time
    )


def test_a_stream_goes_on_from_its_reference():
    """The guard is of starts: a stream that is followed may lead the arm by what its speed makes it."""
    motion, cell = start()
    home = tool(motion)
    log = drive(motion, cell, 1.5, follow(motion, line(home, [0, 1, 0], 0.4), rate=10, horizon=10, step=0.1))
    assert set(log.answers) == {""}
