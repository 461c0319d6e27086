"""Joint states in parts: merged by joint, whoever publishes them."""

import re

import numpy as np
import pytest

from vipa.motion.chunk import Mode
from vipa.motion.motion import Motion
from vipa.robot.description import load_robot
from vipa.robot.joint_states import History, JointStates
from vipa.robot.state import JointState
from vipa_cli.bench.ideal_robot import IdealRobot, drive, pose_chunk

ROBOT, DUAL = load_robot("fr3_single"), load_robot("fr3_dual")
MS = 1_000_000


def state(stamp_ns, names, positions, velocities=None):
    positions = np.asarray(positions, float)
    return JointState(
        stamp_ns, tuple(names), positions, np.full(len(positions), np.nan) if velocities is None else velocities
    )


def part(whole, names):
    rows = [whole.names.index(n) for n in names]
    return JointState(whole.stamp_ns, tuple(names), whole.positions[rows], whole.velocities[rows])


def test_parts_are_merged_and_the_oldest_arm_joint_gives_the_time():
    joints = JointStates(DUAL)
    arms = [g.joints for g in DUAL.arms]
    left, right = [*arms[0], *(j for g in DUAL.groups if g.kind == "head" for j in g.joints)], arms[1]
    hands = [j for g in DUAL.groups if g.hand for j in g.hand.joints]
    assert joints.take(state(1 * MS, left, range(len(left)))) == "" and joints.merged() is None
    assert joints.take(state(3 * MS, right, range(7))) == "" and right[0] not in joints.missing()
    assert joints.missing().startswith(f"no joint state of {hands[0]}")
    assert joints.take(state(2 * MS, hands, [0.01] * len(hands))) == ""
    assert joints.missing() == "" and joints.stamp_ns == 1 * MS and joints.hand_ns == 2 * MS
    joints.take(state(11 * MS, left, range(len(left))))
    assert joints.stamp_ns == 3 * MS
    assert joints.lagging(0.05) == ""
    joints.take(state(80 * MS, left, range(len(left))))
    assert joints.lagging(0.05) == f"no joint state of {right[0]} beside the others'"


def test_a_driver_without_velocities_has_those_of_its_positions():
    joints, names = JointStates(ROBOT), [*ROBOT.groups[0].joints, *ROBOT.groups[0].hand.joints]
    joints.take(state(10 * MS, names, np.zeros(8)))
    np.testing.assert_array_equal(joints.velocities, 0)
    joints.take(state(20 * MS, names, np.full(8, 0.01)))
    np.testing.assert_allclose(joints.velocities, 1.0)
    joints.take(state(20 * MS, names, np.full(8, 0.01)))  # the same once more
    np.testing.assert_allclose(joints.velocities, 1.0)
    joints.take(state(900 * MS, names, np.full(8, 0.5)))  # too long ago
    np.testing.assert_array_equal(joints.velocities, 0)


def test_a_joint_of_no_use_keeps_its_last_value_and_the_others_are_taken():
    joints, names = JointStates(ROBOT), [*ROBOT.groups[0].joints, *ROBOT.groups[0].hand.joints]
    joints.take(state(10 * MS, names, np.zeros(8), np.zeros(8)))
    why = joints.take(state(20 * MS, names, [1, np.nan, *np.ones(6)], np.zeros(8)))
    assert why == "joint state: fr3_joint2: not finite"
    np.testing.assert_array_equal(joints.positions, [1, 0, 1, 1, 1, 1, 1, 1])
    assert joints.stamp_ns == 10 * MS


@pytest.mark.parametrize("robot", [ROBOT, DUAL], ids=["arm and gripper", "two arms and grippers"])
@pytest.mark.parametrize("nan", [False, True], ids=["", "nan velocities of the fingers"])
def test_an_arm_moves_whose_joint_states_come_in_parts(robot, nan):
    """A message a group, a millisecond apart, and one for every hand at a third of the rate."""
    motion, cell = Motion(robot), IdealRobot(robot)
    motion.set_authority("commander")
    sent = False
    for k in range(150):
        whole = cell.state()
        for group in robot.groups:
            cell.command(motion.tick(part(whole, group.joints), cell.time))
            if group.hand and k % 3 == 0:
                fingers = part(whole, group.hand.joints)
                if nan:
                    fingers.velocities[:] = np.nan
                cell.command(motion.tick(fingers, cell.time))
        if motion.started and not sent:
            sent = True
            arm = robot.arms[0]
            goal = motion.commanded()[arm.name].tool_pose + [0, 0, 0.05, 0, 0, 0, 0]
            steps = np.linspace(motion.commanded()[arm.name].tool_pose, goal, 10)
            assert motion.chunk(pose_chunk(motion, arm.name, steps, cell.now_ns, 0.1, 1), cell.now_ns, cell.time) == ""
        cell.advance(motion.dt)
    assert sent and not motion.stop_reasons and not motion.liveness.fault
    np.testing.assert_allclose(motion.groups()[robot.arms[0].name].tool_pose[:3], goal[:3], atol=3e-3)


def test_a_hand_that_is_heard_of_no_more_holds_the_arms_and_then_stops_them():
    motion, cell = Motion(ROBOT), IdealRobot(ROBOT)
    motion.set_authority("commander")
    drive(motion, cell, 0.1)
    for _ in range(70):
        cell.command(motion.tick(part(cell.state(), ROBOT.groups[0].joints), cell.time))
        cell.advance(motion.dt)
    assert re.match(r"the hands' joint states are 0\.\d\d s behind the arms'; allowed: 0.5", motion.liveness.fault)
    for _ in range(110):
        cell.command(motion.tick(part(cell.state(), ROBOT.groups[0].joints), cell.time))
        cell.advance(motion.dt)
    assert motion.status(cell.now_ns, cell.time).mode == Mode.STOPPED


def test_an_arm_that_is_heard_of_in_part_is_named():
    motion, cell = Motion(DUAL), IdealRobot(DUAL)
    drive(motion, cell, 0.1)
    left = DUAL.arms[0].joints
    for _ in range(10):
        cell.advance(motion.dt)
        assert motion.tick(part(cell.state(), left), cell.time) == {}
    assert motion.reasons[0] == f"no joint state of {DUAL.arms[1].joints[0]} beside the others'"


def test_history_is_of_time_not_of_messages():
    history = History(100.0)
    for k in range(3000):  # 1 kHz
        history.add(state(k * MS, ("a",), [k]))
    assert len(history.states) <= 201 and history.states[0].stamp_ns >= 1995 * MS
    assert abs(history.at(2500 * MS).stamp_ns - 2500 * MS) <= 5 * MS
    history.add(state(5 * MS, ("a",), [0]))  # the clock has jumped
    assert len(history.states) == 1
