"""What a live camera sends becomes an observation, or a reason by name, with real rclpy."""

import array

import numpy as np
import pytest

pytest.importorskip("rclpy")

import rclpy
from sensor_msgs.msg import JointState

from vipa.robot.description import load_robot
from vipa.robot.state import CameraFrame, Observation
from vipa_ros.bringup.environment import Domain
from vipa_ros.cameras.reader import MAX_BEGUN, CameraReader
from vipa_ros.common import convert

ROBOT = load_robot("fr3_single")
CAMERA, NOW = ROBOT.cameras[0].name, 20_000_000_000
K = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])


@pytest.fixture
def reader():
    domain = Domain()
    rclpy.init(domain_id=domain.id)
    node = rclpy.create_node("looks")
    made = CameraReader(node, ROBOT, [CAMERA], "do it", simulated=False)
    names = [*ROBOT.groups[0].joints, *ROBOT.groups[0].hand.joints]
    joints = JointState(name=names, position=[*map(float, ROBOT.groups[0].home), 0.0])
    joints.header.stamp = convert.time_msg(NOW)
    made.on_joints(joints)
    yield made
    node.destroy_node()
    rclpy.shutdown()
    domain.release()


def messages(stamp_ns=NOW, seed=0):
    random = np.random.default_rng(seed)
    frame = CameraFrame(
        CAMERA,
        stamp_ns,
        random.integers(0, 255, (48, 64, 3), np.uint8),
        random.integers(300, 900, (48, 64)).astype(np.uint16),
        K,
        np.eye(4),
    )
    return {key: msg for key, msg in convert.frame_msgs(frame).items() if key != "depth_info"}


def empty_depth(m):
    m["depth"].data = array.array("B", bytes(len(m["depth"].data)))


def other_size(m):
    m["color_info"].width, m["color_info"].height = 640, 480


def no_number(m):
    m["color_info"].k[2] = np.nan


def late_depth(m):
    m["depth"].header.stamp = convert.time_msg(NOW - 33_300_000)


def unknown_encoding(m):
    m["color"].encoding = "bayer_rggb8"


def short(m):
    m["color"].data = m["color"].data[:100]


def no_stamps(m):
    for msg in m.values():
        msg.header.stamp = convert.time_msg(0)


BAD = {
    "empty depth": (empty_depth, "depth is empty: 0.0 % of its pixels have one"),
    "info of another size": (other_size, "camera_info is of 640x480 pixels; allowed: 64x48"),
    "info of nan": (no_number, "camera_info: K is not finite"),
    "stamps that differ": (late_depth, "stamps of colour, depth and camera_info differ by 33.3 ms"),
    "encoding": (unknown_encoding, "image encoding 'bayer_rggb8'; allowed: rgb8"),
    "cut off": (short, "100 bytes"),
    "no stamps": (no_stamps, "its stamp is zero"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_acted_on_is_a_reason_and_a_good_capture_after_it_an_observation(reader, case):
    spoil, words = BAD[case]
    bad = messages()
    spoil(bad)
    for key, msg in bad.items():
        reader.on_message(CAMERA, key, msg)
    why = reader.observe(NOW)
    assert isinstance(why, str) and why.startswith(f"camera {CAMERA}: ") and words in why
    for key, msg in messages(NOW + 33_000_000, seed=1).items():
        reader.on_message(CAMERA, key, msg)
    assert isinstance(reader.observe(NOW + 40_000_000), Observation)


def test_rgba_is_read_live_as_from_a_bag(reader):
    made = messages()
    rgb = np.frombuffer(bytes(made["color"].data), np.uint8).reshape(48, 64, 3)
    made["color"].encoding, made["color"].step = "rgba8", 4 * 64
    made["color"].data = array.array("B", np.dstack([rgb, np.full((48, 64), 255, np.uint8)]).tobytes())
    for key, msg in made.items():
        reader.on_message(CAMERA, key, msg)
    np.testing.assert_array_equal(reader.observe(NOW).cameras[CAMERA].color, rgb)


def test_frozen_depth_is_named_while_colours_change(reader):
    still = messages()["depth"].data
    answers = []
    for k in range(25):
        made = messages(NOW + k * 100_000_000, seed=k)
        made["depth"].data = still
        for key, msg in made.items():
            reader.on_message(CAMERA, key, msg)
        answers.append(reader.observe(NOW + k * 100_000_000))
    assert isinstance(answers[20], Observation) and answers[21] == f"camera {CAMERA}: the same depth for 2.1 s"


def test_depth_that_comes_after_the_next_colour_still_belongs_to_its_own(reader):
    """As on a busy machine, which hears the parts of a capture late and loses some: the newest of each kind never go together."""
    seen = []
    for number in range(6):
        this, following = (messages(NOW + 33_000_000 * (number + k), seed=number + k) for k in (0, 1))
        for key, msg in (("color", following["color"]), ("depth", this["depth"]), ("color_info", this["color_info"])):
            reader.on_message(CAMERA, key, msg)
        found = reader.observe(NOW + 33_000_000 * (number + 1))
        seen += [reader.frames[CAMERA].stamp_ns] if isinstance(found, Observation) else []
    assert seen == [NOW + 33_000_000 * number for number in range(1, 6)]


def test_parts_that_go_with_nothing_are_not_kept(reader):
    for number in range(100):
        reader.on_message(CAMERA, "color", messages(NOW + 33_000_000 * number)["color"])
    assert len(reader.begun[CAMERA]) <= MAX_BEGUN
