"""Hands: six joints move in the simulated cell as chunks say; a binary gripper decides with hysteresis; bad files are refused."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipa import resources
from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.motion.hand import HandBuffer
from vipa.motion.motion import Motion
from vipa.robot.description import Grip, load_robot
from vipa.tasks.task import load_task
from vipa_sim.cell import SimCell


@pytest.fixture(scope="module")
def cell():
    return SimCell(load_robot("fr3_inspire"), load_task("water_plant"), cameras=())


def test_the_urdf_is_what_the_script_makes():
    script = resources.root() / "scripts" / "compose_inspire_urdf.py"
    assert subprocess.run([sys.executable, script, "--check"], check=False).returncode == 0


@pytest.mark.parametrize("opening", [
    [0.5] * 6,                             # half closed
    [0.0, 0.0, 0.0, 0.0, 1.0, 1.0],        # four fingers closed, thumb open
    [1.0, 1.0, 1.0, 0.7, 0.9, 0.0],       # thumb before the palm, index bent towards it, 5 cm apart
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
])  # fmt: skip
def test_a_chunk_moves_the_six_joints_and_those_that_follow(cell, opening):
    cell.reset(0)
    robot = cell.robot
    hand = robot.arms[0].hand
    motion = Motion(robot, cell.task.fixtures)
    motion.set_authority("test")

    def step():
        for controller, command in motion.tick(cell.joint_state(), cell.stamp_ns / 1e9).items():
            assert cell.command(controller, command) == ""
        cell.step()

    for _ in range(5):
        step()
    action = GroupAction("arm", hand_joint_names=tuple(hand.joints), hand=np.tile(opening, (2, 1)))
    chunk = ActionChunk("test", motion.epoch, 1, cell.stamp_ns, cell.stamp_ns, 0.1, (action,))
    assert motion.chunk(chunk, cell.stamp_ns, cell.stamp_ns / 1e9) == ""
    for _ in range(200):
        step()
    np.testing.assert_allclose(motion.groups()["arm"].hand, opening, atol=0.02)
    assert not motion.stop_reasons
    data = cell.data
    index, outer = (float(data.joint(f"index_{part}_joint").qpos[0]) for part in ("proximal", "intermediate"))
    assert outer == pytest.approx(1.064 * index, abs=0.03)
    bend, tip = (float(data.joint(f"thumb_{part}_joint").qpos[0]) for part in ("proximal_pitch", "distal"))
    assert tip == pytest.approx(0.667 * bend, abs=0.03)


def test_no_joint_of_the_hand_is_faster_than_its_limit():
    buffer = HandBuffer(load_robot("fr3_inspire").arms[0].hand)
    buffer.restart(np.asarray(buffer.hand.open))
    buffer.splice(np.array([0.0, 0.1]), np.zeros((2, 6)), 0.0)
    last, limit = buffer.positions, buffer.hand.max_velocity * 0.01 * np.abs(buffer.span)
    for k in range(1, 120):
        now = buffer.advance(0.01 * k, 0.01)
        assert np.all(np.abs(now - last) <= limit + 1e-9)
        last = now
    np.testing.assert_allclose(last, buffer.hand.closed)


def binary_gripper():
    hand = dataclasses.replace(load_robot("fr3_single").arms[0].hand, binary=True)
    buffer = HandBuffer(hand)
    buffer.restart(np.array(hand.open))
    return buffer


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_a_binary_gripper_decides_at_its_thresholds_only(wishes):
    buffer, told = binary_gripper(), 1.0
    for k, wish in enumerate(wishes):
        buffer.clear()
        buffer.splice(np.array([k + 0.01]), np.array([[wish]]), float(k) + 0.005)
        told = 0.0 if wish < 0.4 else 1.0 if wish > 0.6 else told
        for _ in range(60):  # as long as a full stroke takes, and more
            buffer.advance(k + 0.02, 0.01)
        assert buffer.opening == pytest.approx(told)
        assert buffer.finished(k + 0.02)


def test_a_noisy_wish_does_not_make_it_flutter():
    buffer = binary_gripper()
    wishes = 0.5 + 0.09 * np.sin(np.arange(200))
    buffer.splice(0.01 * np.arange(1, 201), wishes[:, None], 0.0)
    assert {float(buffer.advance(0.01 * k, 0.01)[0]) for k in range(1, 200)} == {0.04}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kind": "six_joint"}, r"kind six_joint wants 6 joint\(s\), got 1"),
        ({"open": [0.0]}, "closed and open must differ"),
        ({"close_below": 0.7}, "close_below 0.7 must lie below open_above 0.6"),
    ],
)
def test_a_hand_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(load_robot("fr3_single").arms[0].hand, **change)


def test_only_a_parallel_gripper_can_be_binary():
    with pytest.raises(ValueError, match="binary is for kind parallel"):
        dataclasses.replace(load_robot("fr3_inspire").arms[0].hand, binary=True)


@given(st.floats(0, 1))
def test_six_joints_are_one_gripper_and_back(opening):
    hand = load_robot("fr3_inspire").arms[0].hand
    joints = hand.gripping(np.array([opening, 1.0]))
    assert joints.shape == (2, 6) and hand.opening_of(joints[0]) == pytest.approx(opening, abs=1e-9)
    np.testing.assert_allclose(joints[1], hand.grip.open)
    assert hand.opening_of(np.ones(6)) == 1.0  # wider than the gripper's widest


def test_a_parallel_hand_is_its_own_gripper():
    hand = load_robot("fr3_single").arms[0].hand
    assert hand.gripping(np.array([0.3]))[0] == [0.3] and hand.opening_of(np.array([0.3])) == 0.3


@pytest.mark.parametrize(
    "change, message",
    [
        ({"grip": Grip([0.0], [1.0])}, "grip: closed and open want 6 openings each"),
        ({"grip": Grip([0.5] * 6, [0.5] * 6)}, "grip: closed and open must differ"),
        ({"sides": [["thumb_distal"], ["palm"]]}, "sides: palm; allowed: links of fingers"),
    ],
)
def test_a_grip_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(load_robot("fr3_inspire").arms[0].hand, **change)
