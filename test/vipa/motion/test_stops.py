"""Motion stops: e-stop, lost joint states, silence, force, clocks; and re-arms."""

import dataclasses

import numpy as np
import pytest

from helpers.following import ROBOT, assert_limits, follow, line, moving, reset_cell, start, tool
from vipa.motion.chunk import ActionChunk, GroupAction, Mode
from vipa.motion.limits import Tighter
from vipa.motion.motion import Motion
from vipa.robot.fixture import Fixture
from vipa.robot.state import JointState
from vipa_cli.bench.ideal_robot import IdealRobot, drive, joint_chunk, pose_chunk


def test_estop_brakes_latches_and_rearms_without_a_jump():
    motion, cell = moving()
    epoch = motion.epoch
    motion.estop("button")
    log = drive(motion, cell, 0.3)
    assert_limits(motion, log)
    assert np.all(log.v[-1] == 0)
    state = motion.safety(cell.now_ns)
    assert state.estop and not state.armed and state.stop_reasons == ("e-stop: button",)
    assert motion.epoch == epoch + 1
    chunk = pose_chunk(motion, "arm", tool(motion), cell.now_ns, 0.1, 10**6)
    assert motion.chunk(chunk, cell.now_ns, cell.time) == "stopped: e-stop: button"
    motion.estop("second reason")
    assert len(motion.safety(cell.now_ns).stop_reasons) == 2
    held = log.q[-1]
    assert motion.rearm() == ""
    assert motion.epoch == epoch + 2
    log = drive(motion, cell, 0.3)
    np.testing.assert_allclose(log.array("q"), np.tile(held, (len(log.q), 1)), atol=1e-12)
    assert motion.safety(cell.now_ns).armed


def test_rearm_waits_for_rest():
    motion, cell = moving()
    motion.estop("")
    drive(motion, cell, 0.02)
    assert motion.rearm() == "still moving"
    drive(motion, cell, 0.3)
    state = cell.state()
    motion.tick(JointState(state.stamp_ns, state.names, state.positions, state.velocities + 0.2), cell.time)
    assert motion.rearm().startswith("an arm moves at 0.200 rad/s")
    assert Motion(ROBOT).rearm() == "no joint states yet"


def test_a_dead_motion_node_leaves_a_braking_tail():
    _motion, cell = moving()
    before = cell.state().positions.copy()
    for _ in range(50):  # no tick any more: the controller plays what it has
        cell.advance(0.01)
    np.testing.assert_array_equal(cell.state().velocities, 0)
    assert np.abs(cell.state().positions - before).max() < 0.05


def test_a_change_of_authority_brakes_and_the_next_chunk_waits_for_rest():
    motion, cell = moving()
    epoch = motion.epoch
    assert motion.set_authority("commander") == epoch  # no change
    assert motion.set_authority("other") == epoch + 1
    assert motion.status(cell.now_ns, cell.time).mode == Mode.BRAKING
    target = tool(motion) + np.array([0, -0.05, 0, 0, 0, 0, 0])
    assert motion.chunk(pose_chunk(motion, "arm", target, cell.now_ns + 10**9, 0.1, 1), cell.now_ns, cell.time) == ""
    log = drive(motion, cell, 2.5)
    assert_limits(motion, log)
    assert np.linalg.norm(tool(motion)[:3] - target[:3]) < 1e-3


def test_lost_tracking_stops():
    motion, cell = moving()
    cell.positions["fr3_joint2"] += 0.2
    motion.tick(cell.state(), cell.time)
    assert "fr3_joint2 is 0." in motion.safety(cell.now_ns).stop_reasons[0]
    assert not motion.safety(cell.now_ns).estop
    assert motion.tick(cell.state(), cell.time) == {}  # nothing that a controller could leap to
    cell.advance(motion.dt)
    cell.velocities = dict.fromkeys(cell.velocities, 0.0)
    cell.followed.clear()
    cell.time += motion.dt
    assert motion.tick(cell.state(), cell.time) == {} and motion.rearm() == ""
    cell.time += motion.dt
    command = motion.tick(cell.state(), cell.time)["arm_controller"]
    np.testing.assert_allclose(command.positions[0], [cell.positions[n] for n in command.joint_names], atol=1e-6)


def test_force_beyond_the_cap_stops_and_a_retreat_under_load_is_possible():
    motion, cell = moving()
    motion.wrench("arm", np.array([0, 0, 39.0, 0, 0, 0]), cell.now_ns, cell.time)
    assert motion.safety(cell.now_ns).armed
    motion.wrench("arm", np.array([0, 0, 60.0, 0, 0, 0]), cell.now_ns, cell.time)
    assert motion.safety(cell.now_ns).stop_reasons == ("60.0 N on the tool of arm; allowed: 40",)
    drive(motion, cell, 0.5)
    assert motion.rearm() == ""
    motion.wrench("arm", np.array([0, 0, 58.0, 0, 0, 0]), cell.now_ns, cell.time)
    assert motion.safety(cell.now_ns).armed
    motion.wrench("arm", np.array([0, 0, 20.0, 0, 0, 0]), cell.now_ns, cell.time)
    motion.wrench("arm", np.array([0, 0, 45.0, 0, 0, 0]), cell.now_ns, cell.time)
    assert not motion.safety(cell.now_ns).armed
    np.testing.assert_allclose(motion.groups()["arm"].wrench, [0, 0, 45, 0, 0, 0])


def test_a_reset_cell_is_taken_as_it_stands():
    motion, cell = moving()
    reset_cell(motion, cell, 0.4)
    np.testing.assert_allclose(motion.commanded()["arm"].positions, ROBOT.groups[0].home)
    assert motion.safety(cell.now_ns).armed


# clocks


@pytest.mark.parametrize("jump", [-5.0, -0.1, 1.5, 1000.0])
def test_a_clock_jump_brakes_holds_and_opens_an_epoch(jump):
    motion, cell = moving()
    epoch = motion.epoch
    cell.offset += jump
    log = drive(motion, cell, 0.5)
    assert motion.epoch == epoch + 1
    assert np.all(log.v[-1] == 0)
    assert_limits(motion, log)
    assert motion.status(cell.now_ns, cell.time).mode == Mode.HOLDING
    home = tool(motion)
    log = drive(motion, cell, 0.5, follow(motion, line(home, [0, 1, 0], 0.1)))
    assert set(log.answers) == {""}  # a new epoch counts anew


def test_joint_states_that_stop_are_a_hold():
    motion, cell = moving()
    epoch = motion.epoch
    motion.tick(dataclasses.replace(cell.state(), stamp_ns=cell.now_ns + 10**7), cell.time + 2.0)
    assert motion.epoch == epoch + 1
    assert "no joint states for 2.0" in motion.status(cell.now_ns, cell.time).reasons[0]


def test_a_silent_commander_is_a_hold_on_the_monotonic_clock():
    """ROS time crawls, so that a chunk lasts for ever; the local clock notices."""
    motion, cell = moving()
    for k in range(1, 40):
        cell.command(motion.tick(cell.state(), cell.time + k * 0.9))
        cell.advance(0.01)
        if motion.epoch > 2:
            break
    assert "the commander is silent" in motion.reasons[0]


def test_joint_states_may_come_faster_than_the_control_rate():
    motion, cell = start()
    commands = 0
    for _ in range(500):  # 500 Hz
        cell.time += 0.002
        commands += bool(motion.tick(cell.state(), cell.time))
    assert 98 <= commands <= 102


def test_the_same_state_twice_is_one_tick():
    motion, cell = start()
    cell.advance(0.01)
    assert motion.tick(cell.state(), cell.time)
    assert motion.tick(cell.state(), cell.time) == {}


def test_jittered_ticks_do_not_shake_the_arm():
    motion, cell = start()
    home, random = tool(motion), np.random.default_rng(0)
    source = follow(motion, line(home, [0, 1, 0], 0.1), rate=10, horizon=10, step=0.1)
    a = []
    for _ in range(200):
        for chunk in source(cell.time, cell.now_ns):
            assert motion.chunk(chunk, cell.now_ns, cell.time) == ""
        cell.command(motion.tick(cell.state(), cell.time))
        a.append(motion.gate.plan.at(motion.dt).a)
        cell.advance(0.01 + random.uniform(-0.0015, 0.0015))
    assert np.abs(np.array(a)[60:]).max() < 3.0


def test_rearm_waits_for_the_command_that_was_sent_not_for_the_last_state():
    """One tick after a chunk the arm stands still and its command does not: adopting the measured joints would jump."""
    motion, cell = start()
    target = tool(motion) + np.array([0, 0.1, 0, 0, 0, 0, 0])
    assert (
        motion.chunk(pose_chunk(motion, "arm", target, cell.now_ns + 3 * 10**8, 0.1, 1), cell.now_ns, cell.time) == ""
    )
    for _ in range(3):
        cell.advance(motion.dt)
        if not motion.gate.plan.at(motion.dt).at_rest:
            break
        cell.command(motion.tick(cell.state(), cell.time))
    assert motion.rearm() == "still moving"


def test_a_backward_step_of_the_clock_is_a_jump_however_small():
    motion, cell = moving()
    epoch = motion.epoch
    cell.offset -= 0.012
    log = drive(motion, cell, 0.3)
    assert motion.epoch == epoch + 1 and np.all(log.v[-1] == 0)
    assert_limits(motion, log)


def test_a_hand_does_not_open_into_a_fixture():
    """Fingers beside a low block: opening stops at their margin, and goes on when the block is gone."""
    block = Fixture("block", [0.45, 0.07, 0.11], [0.2, 0.04, 0.22])
    motion, cell = Motion(ROBOT, [block]), IdealRobot(ROBOT)
    q = motion.kinematics.group("arm").solve(
        np.array([0.45, 0.0, 0.2, 1.0, 0.0, 0.0, 0.0]), np.array(ROBOT.groups[0].home)
    )
    cell.positions |= dict(zip(ROBOT.groups[0].joints, q))
    motion.set_authority("commander")
    drive(motion, cell, 0.1)
    hand = GroupAction("arm", hand_joint_names=("fr3_finger_joint1",), hand=np.ones((5, 1)))
    chunk = ActionChunk("commander", motion.epoch, 1, cell.now_ns, cell.now_ns, 0.1, (hand,))
    assert motion.chunk(chunk, cell.now_ns, cell.time) == ""
    drive(motion, cell, 1.0)
    opening = motion.commanded()["arm"].hand[0]
    # closed, the finger's outer face is 18 mm from the middle, the block 50 mm; 3 mm stay: 29 of 40 mm may be opened
    assert 0.65 < opening <= 0.725 + 1e-6
    assert "a hand's opening" in motion.reasons[0]
    motion.set_fixtures([])
    drive(motion, cell, 1.0)
    assert motion.commanded()["arm"].hand[0] == 1.0


def test_rearming_what_is_not_stopped_does_not_let_a_sagging_arm_sink():
    motion, cell = start()
    before, epoch = motion.commanded()["arm"].positions, motion.epoch
    for round_ in range(5):
        for tick in range(10):
            sag = 0.002 * min(10 * round_ + tick, 10)
            cell.advance(motion.dt)
            state = cell.state()
            positions = state.positions + np.array([sag if name == "fr3_joint2" else 0.0 for name in state.names])
            cell.command(motion.tick(dataclasses.replace(state, positions=positions), cell.time))
        assert motion.rearm() == ""
        np.testing.assert_array_equal(motion.commanded()["arm"].positions, before)
    assert motion.epoch == epoch


def test_limits_drawn_tighter_at_speed_are_no_leap():
    motion, cell = start()
    joints = np.array(ROBOT.groups[0].home) + np.outer(np.arange(1, 41), [0.16, 0, 0, 0, 0, 0, 0])
    assert motion.chunk(joint_chunk(motion, "arm", joints[:8], cell.now_ns, 0.1, 1), cell.now_ns, cell.time) == ""
    drive(motion, cell, 0.5)
    assert np.abs(motion.measured.v).max() > 1.0
    assert motion.tighten(Tighter(speed_scale=0.05)) == ""
    log = drive(motion, cell, 1.0)
    assert motion.stop_reasons == [] and np.abs(log.v[-1]).max() <= 0.05 * 2.0 + 1e-6
