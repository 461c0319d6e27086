"""Messages and domain types are each other's inverses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vipa.motion.chunk import ActionChunk, GroupAction, Mode, MotionStatus
from vipa.robot.state import GroundTruth, JointState, JointTrajectory

pytest.importorskip("rclpy")
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image

from vipa_ros.common import convert, images

NUMBERS = st.floats(-1e3, 1e3)
TIMES = st.integers(0, 2**31 * 10**9 - 1)


@given(TIMES)
def test_times_are_exact(ns):
    assert convert.time_ns(convert.time_msg(ns)) == ns


@given(st.integers(1, 20), st.integers(1, 7), st.data())
@settings(max_examples=50, deadline=None)
def test_chunks_come_back(steps, joints, data):
    groups = (
        GroupAction(
            "arm",
            "base",
            "tool",
            poses=data.draw(hnp.arrays(float, (steps, 7), elements=NUMBERS)),
            hand_joint_names=("finger",),
            hand=data.draw(hnp.arrays(float, (steps, 1), elements=NUMBERS)),
        ),
        GroupAction(
            "head",
            joint_names=tuple(f"j{i}" for i in range(joints)),
            joints=data.draw(hnp.arrays(float, (steps, joints), elements=NUMBERS)),
        ),
    )
    chunk = ActionChunk("policy", 3, 7, data.draw(TIMES), data.draw(TIMES), 0.1, groups, data.draw(TIMES))
    back = convert.chunk(convert.chunk_msg(chunk))
    assert (back.commander_id, back.epoch, back.seq, back.dt) == ("policy", 3, 7, 0.1)
    assert (back.stamp_ns, back.start_ns, back.observation_ns) == (chunk.stamp_ns, chunk.start_ns, chunk.observation_ns)
    np.testing.assert_array_equal(back.groups[0].poses, groups[0].poses)
    np.testing.assert_array_equal(back.groups[0].hand, groups[0].hand)
    np.testing.assert_array_equal(back.groups[1].joints, groups[1].joints)
    assert back.groups[1].poses is None and back.groups[1].hand is None
    assert back.groups[1].joint_names == groups[1].joint_names


def test_a_chunk_with_ragged_rows_is_refused():
    chunk = ActionChunk("p", 0, 1, 0, 0, 0.1, (GroupAction("arm", hand_joint_names=("a", "b"), hand=np.zeros((3, 2))),))
    msg = convert.chunk_msg(chunk)
    msg.groups[0].hand = msg.groups[0].hand[:5]
    with pytest.raises(ValueError, match="group arm: hand: 5 values are not rows of 2"):
        convert.chunk(msg)


def test_trajectories_come_back():
    command = JointTrajectory(
        ("a", "b"), np.array([0.01, 0.11]), np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6], [0, 0]]), 3_000_000_007
    )
    back = convert.trajectory(convert.trajectory_msg(command))
    assert (back.joint_names, back.start_ns) == (command.joint_names, command.start_ns)
    for key in ("times", "positions", "velocities"):
        np.testing.assert_allclose(getattr(back, key), getattr(command, key), atol=1e-9)


def test_a_joint_state_without_velocities_says_so_and_one_with_too_few_is_refused():
    state = JointState(5, ("a", "b"), np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([5.0, 6.0]))
    msg = convert.joint_state_msg(state)
    back = convert.joint_state(msg)
    np.testing.assert_array_equal(back.efforts, [5, 6])
    msg.velocity = []
    assert np.isnan(convert.joint_state(msg).velocities).all()
    msg.position = [1.0]
    with pytest.raises(ValueError, match="2 names, 1 positions"):
        convert.joint_state(msg)


def test_motion_status_and_truth_come_back():
    status = MotionStatus(9, 4, "expert", Mode.BRAKING, 3, 2, None, 1, 5, ("why",), 0.1, 0.2, 0.3)
    assert convert.motion_status(convert.motion_status_msg(status)) == status
    truth = GroundTruth(
        7, {"apple": np.array([1.0, 2, 3, 0, 0, 0, 1])}, {"drawer": 0.1}, frozenset({("apple", "drawer")})
    )
    back = convert.truth(convert.truth_msg(truth))
    assert back.scalars == truth.scalars and back.contacts == truth.contacts
    np.testing.assert_array_equal(back.poses["apple"], truth.poses["apple"])


@pytest.mark.parametrize(
    "pixels",
    [np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3), np.arange(24, dtype=np.uint16).reshape(4, 6) * 999],
)
def test_images_come_back(pixels):
    msg = convert.image_msg(pixels, Time(sec=1), "frame")
    np.testing.assert_array_equal(images.pixels(msg), pixels)


def test_images_with_row_padding_big_ends_and_bgr_are_read_and_others_refused():
    depth = np.array([[1, 2], [3, 400]], ">u2")
    padded = np.hstack([depth.view("u1").reshape(2, 4), np.zeros((2, 3), "u1")])
    msg = Image(height=2, width=2, step=7, encoding="16UC1", is_bigendian=1, data=padded.tobytes())
    np.testing.assert_array_equal(images.pixels(msg), [[1, 2], [3, 400]])
    bgr = Image(height=1, width=1, step=3, encoding="bgr8", data=bytes([1, 2, 3]))
    np.testing.assert_array_equal(images.pixels(bgr), [[[3, 2, 1]]])
    rgba = Image(height=1, width=1, step=4, encoding="rgba8", data=bytes([1, 2, 3, 255]))
    np.testing.assert_array_equal(images.pixels(rgba), [[[1, 2, 3]]])
    with pytest.raises(ValueError, match="allowed: rgb8, bgr8, rgba8"):
        images.pixels(Image(encoding="bayer_rggb8"))
