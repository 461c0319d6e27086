"""Motion follows what is streamed: accuracy, walls, limits, singularities."""

import dataclasses

import numpy as np
import pytest

from helpers.following import ROBOT, WALL, assert_limits, follow, line, start, tool
from vipa.geometry import rotation
from vipa.motion.chunk import ActionChunk, GroupAction, Mode
from vipa.motion.motion import Motion
from vipa.robot.fixture import Fixture
from vipa_cli.bench.ideal_robot import IdealRobot, drive, joint_chunk, pose_chunk


def test_it_holds_before_the_first_chunk():
    motion, cell = start()
    log = drive(motion, cell, 0.5)
    np.testing.assert_allclose(log.q[-1], ROBOT.groups[0].home, atol=1e-12)
    assert motion.status(cell.now_ns, cell.time).mode == Mode.HOLDING


def test_the_first_tick_adopts_what_is_measured():
    motion, cell = Motion(ROBOT), IdealRobot(ROBOT)
    cell.positions["fr3_joint1"] = 0.3
    cell.positions["fr3_finger_joint1"] = 0.02
    commands = motion.tick(cell.state(), 0.0)
    np.testing.assert_allclose(commands["arm_controller"].positions[:, 0], 0.3)
    np.testing.assert_allclose(commands["hand_controller"].positions, 0.02)
    assert commands["arm_controller"].times[-1] >= 0.1


def test_a_long_chunk_is_followed_without_lag():
    motion, cell = start()
    home = tool(motion)

    def circle(t):
        a = 3.0 * t  # 15 cm/s on a radius of 5 cm
        return home + np.concatenate([0.05 * np.array([np.cos(a) - 1, np.sin(a), 0]), np.zeros(4)])

    begin = cell.time
    log = drive(motion, cell, 5.0, follow(motion, circle, rate=10, horizon=20, step=0.05))
    errors = [np.linalg.norm(p[:3] - circle(t - begin)[:3]) for t, p in zip(log.time, log.tool["arm"]) if t > begin + 1]
    assert np.sqrt(np.mean(np.square(errors))) < 6e-4
    assert_limits(motion, log)
    assert motion.clamps == motion.refusals == 0


def test_a_goal_is_reached_to_a_tenth_of_a_millimetre_and_held():
    motion, cell = start()
    target = tool(motion) + np.array([0.05, 0.1, -0.08, 0, 0, 0, 0])
    target[3:] = rotation.multiply(rotation.exp(np.array([0.2, 0.1, -0.3])), target[3:])
    motion.chunk(pose_chunk(motion, "arm", target, cell.now_ns + 10**9, 0.1, 1), cell.now_ns, cell.time)
    log = drive(motion, cell, 3.0)
    assert np.linalg.norm(tool(motion)[:3] - target[:3]) < 1e-4
    assert np.linalg.norm(rotation.difference(tool(motion)[3:], target[3:])) < 1e-3
    assert np.abs(log.v[-1]).max() < 1e-3
    assert motion.status(cell.now_ns, cell.time).mode == Mode.HOLDING


def test_joint_chunks_and_the_way_back_to_poses():
    motion, cell = start()
    q = np.array(ROBOT.groups[0].home)
    goal = q + np.array([0.3, 0.2, -0.1, 0.2, 0.1, -0.2, 0.4])
    steps = q + np.linspace(0.05, 1, 20)[:, None] * (goal - q)
    assert motion.chunk(joint_chunk(motion, "arm", steps, cell.now_ns, 0.1, 1), cell.now_ns, cell.time) == ""
    log = drive(motion, cell, 3.0)
    np.testing.assert_allclose(log.q[-1], goal, atol=1e-4)
    assert_limits(motion, log)
    home = tool(motion)
    log = drive(motion, cell, 1.0, follow(motion, line(home, [0, 0, 1], 0.05), seq=1))
    assert log.answers and not any(log.answers)
    assert_limits(motion, log)
    assert tool(motion)[2] > home[2] + 0.03


def test_switching_kind_in_mid_motion_is_continuous():
    motion, cell = start()
    home = tool(motion)
    log = drive(motion, cell, 0.7, follow(motion, line(home, [0, 1, 0], 0.2)))
    hold = np.tile(log.q[-1], (5, 1))
    assert motion.chunk(joint_chunk(motion, "arm", hold, cell.now_ns, 0.1, 1000), cell.now_ns, cell.time) == ""
    log = drive(motion, cell, 1.0, log=log)
    assert_limits(motion, log)
    assert np.abs(log.v[-1]).max() < 1e-2


def test_the_hand_goes_at_its_own_speed_and_never_overshoots():
    motion, cell = start()
    openings = []
    action = GroupAction("arm", hand_joint_names=("fr3_finger_joint1",), hand=np.ones((3, 1)))
    chunk = ActionChunk("commander", motion.epoch, 1, cell.now_ns, cell.now_ns, 0.02, (action,))
    assert motion.chunk(chunk, cell.now_ns, cell.time) == ""
    for _ in range(80):
        cell.command(motion.tick(cell.state(), cell.time))
        cell.advance(motion.dt)
        openings.append(motion.commanded()["arm"].hand[0])
    assert np.diff(openings).max() <= ROBOT.groups[0].hand.max_velocity * motion.dt + 1e-9
    assert np.all(np.diff(openings) >= 0) and openings[-1] == 1.0
    assert cell.positions["fr3_finger_joint1"] == pytest.approx(0.04)
    assert motion.groups()["arm"].hand[0] == pytest.approx(1.0)


def test_an_absent_group_and_an_absent_hand_hold():
    motion, cell = start()
    q = motion.commanded()["arm"].positions
    chunk = ActionChunk("commander", motion.epoch, 1, cell.now_ns, cell.now_ns, 0.1, (GroupAction("arm"),))
    assert motion.chunk(chunk, cell.now_ns, cell.time) == ""
    drive(motion, cell, 0.3)
    np.testing.assert_array_equal(motion.commanded()["arm"].positions, q)


def test_a_cut_stream_comes_to_rest_sooner_than_servo():
    """MoveIt Servo, measured elsewhere: 214 ms and 42 mm from 0.2 m/s."""
    motion, cell = start()
    home = tool(motion)
    log = drive(motion, cell, 1.0, follow(motion, line(home, [0, 1, 0], 0.2)))
    at_cut = tool(motion)
    cut = len(log.time)
    log = drive(motion, cell, 1.0, log=log)
    speeds = np.linalg.norm(np.diff(np.array(log.tool["arm"])[cut - 1 :, :3], axis=0), axis=1) / motion.dt
    assert np.argmax(speeds < 2e-3) * motion.dt < 0.2
    assert np.linalg.norm(tool(motion)[:3] - at_cut[:3]) < 0.03
    np.testing.assert_allclose(tool(motion)[:3], line(home, [0, 1, 0], 0.2)(29 / 30)[:3], atol=1e-3)


def test_a_late_chunk_is_caught_up_without_passing_its_end():
    """Caught up faster than the joints can brake, the tool went 27 mm beyond the lowest step."""
    motion, cell = start()

    def down(way, seconds, late):
        """A chunk, the next time it is asked for one, that leads `way` metres down in `seconds` and comes `late` seconds late."""
        share, poses = np.clip(0.1 * np.arange(20) / seconds, 0, 1), np.tile(tool(motion), (20, 1))
        poses[:, 2] -= way * share**3 * (10 - 15 * share + 6 * share**2)
        begin, seq = cell.now_ns, int(1 + 10 * cell.time)
        chunk = pose_chunk(motion, "arm", poses, begin - round(late * 1e9), 0.1, seq)
        return lambda time, now_ns: [chunk] if now_ns == begin else []

    drive(motion, cell, 3.0, down(0.1, 1.5, late=0.0))
    before = tool(motion)[2]
    log = drive(motion, cell, 1.2, down(0.05, 0.6, late=0.3))
    assert set(log.answers) == {""}
    z = np.array(log.tool["arm"])[:, 2]
    assert z.min() > before - 0.05 - 0.001 and z[-1] == pytest.approx(before - 0.05, abs=1e-3)


# walls and limits


@pytest.mark.parametrize("speed", [0.05, 0.2, 0.5])
def test_a_wall_is_never_nearer_than_the_margin_and_a_retreat_is_free(speed):
    motion, cell = start([WALL])
    home, begin = tool(motion), cell.time
    turn = 0.35 / speed

    def there_and_back(t):
        return line(home, [1, 0, 0], speed)(t if t < turn else 2 * turn - t)

    log = drive(motion, cell, 2 * turn + 0.5, follow(motion, there_and_back))
    field = motion.gate.clearance
    worst = np.inf
    for q in log.q[::3]:
        field.here(q, motion.references.openings())
        worst = min(worst, field.nearest()[0])
    assert worst >= ROBOT.margin - 1e-5
    assert motion.clamps == 0  # the servo came to it gently, the gate had nothing to do
    assert_limits(motion, log)
    x = np.array(log.tool["arm"])[:, 0]
    assert 0.55 < x.max() < 0.66 - 0.01
    # once the target is on this side again the arm goes with it, at once
    times = log.array("time") - begin
    free = turn + (0.35 - (x.max() - home[0])) / speed + 0.2
    assert x[np.searchsorted(times, free)] < x.max() - 0.05 * speed
    np.testing.assert_allclose(tool(motion)[:3], there_and_back(2 * turn + 0.4)[:3], atol=0.09 * speed + 0.001)


def test_the_table_is_not_touched_by_a_plunge():
    motion, cell = start([Fixture("table", [0.5, 0, -0.02], [1.2, 1.6, 0.04])])
    home = tool(motion)
    log = drive(motion, cell, 2.0, follow(motion, line(home, [0, 0, -1], 0.4, 0.6)))
    heights = np.array(log.tool["arm"])[:, 2]
    assert heights.min() >= ROBOT.groups[0].workspace.min[2] - 1e-6
    assert heights[-1] < 0.03


def test_the_workspace_is_a_wall_to_slide_along():
    motion, cell = start()
    home = tool(motion)
    log = drive(motion, cell, 3.5, follow(motion, line(home, [-0.15, 0.1, 0], 1.0, 3.0)))
    x, y = np.array(log.tool["arm"])[:, 0], np.array(log.tool["arm"])[:, 1]
    assert x.min() >= ROBOT.groups[0].workspace.min[0] - 1e-6
    assert y[-1] > home[1] + 0.25  # it goes on along the wall
    assert motion.clamps == 0


def test_a_joint_limit_stops_no_other_joint_and_drifts_none():
    motion, cell = start()
    q = np.array(ROBOT.groups[0].home)
    goal = q.copy()
    goal[6] = 3.3  # beyond 3.0159
    steps = q + np.linspace(0.02, 1, 50)[:, None] * (goal - q)
    assert motion.chunk(joint_chunk(motion, "arm", steps, cell.now_ns, 0.05, 1), cell.now_ns, cell.time) == ""
    log = drive(motion, cell, 4.0)
    limit = motion.kinematics.upper[6]
    assert limit - 0.01 < log.array("q")[:, 6].max() <= limit + 1e-6
    np.testing.assert_allclose(log.array("q")[:, :6] - q[:6], 0, atol=1e-6)
    assert_limits(motion, log)


def test_a_singularity_is_passed_and_held_without_flicker():
    """The arm stretches beyond its reach: it slows down, holds there still, and comes back when asked."""
    motion, cell = start(
        robot=dataclasses.replace(ROBOT, groups=[dataclasses.replace(ROBOT.groups[0], workspace=None)])
    )
    home, begin = tool(motion), cell.time

    def stretch(t):
        return line(home, [1, 0, 0.3], 0.1)(t if t < 6 else max(12 - t, 0))

    log = drive(motion, cell, 12.5, follow(motion, stretch))
    assert_limits(motion, log)
    times, v, a = log.array("time") - begin, log.array("v"), log.array("a")
    held = (times > 5.2) & (times < 6.0)  # the target is out of reach
    assert np.abs(a[held]).max() < 1.5
    signs = np.sign(v[held]) * (np.abs(v[held]) > 0.02)
    assert np.abs(np.diff(signs, axis=0)).sum() <= 14  # no joint goes to and fro
    assert np.linalg.norm(tool(motion)[:3] - home[:3]) < 2e-3
    assert motion.clamps == 0


def test_quaternion_flips_are_one_rotation():
    motion, cell = start()
    home = tool(motion)

    def flipping(t):
        pose = line(home, [0, 1, 0], 0.05)(t)
        return np.concatenate([pose[:3], pose[3:] * (-1) ** round(t * 30)])

    log = drive(motion, cell, 1.0, follow(motion, flipping))
    assert not any(log.answers)
    assert max(np.linalg.norm(rotation.difference(p[3:], home[3:])) for p in log.tool["arm"]) < 1e-3
