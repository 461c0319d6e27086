"""Known values of image conversion and rotations, for cv_bridge and tf_transformations where ROS provides them and for ours elsewhere."""

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import Image

from vipa import images
from vipa_ros.common import images as ros_images
from vipa_ros.common.rotations import quaternion_from_euler

RED, GREEN = (255, 0, 0), (0, 255, 0)
YUV_RED = (76, 85, 255)  # Y, U, V of full red by BT.601


def image(encoding, rows, width, height=1, pad=b"", big=False):
    data = b"".join(bytes(row) + pad for row in rows)
    step = len(data) // height
    return Image(width=width, height=height, encoding=encoding, step=step, data=data, is_bigendian=int(big))


KNOWN = {
    "rgb8": (image("rgb8", [[*RED, *GREEN]], 2), [[RED, GREEN]]),
    "bgr8": (image("bgr8", [[*RED[::-1], *GREEN[::-1]]], 2), [[RED, GREEN]]),
    "rgba8": (image("rgba8", [[*RED, 9, *GREEN, 9]], 2), [[RED, GREEN]]),
    "bgra8": (image("bgra8", [[*RED[::-1], 9, *GREEN[::-1], 9]], 2), [[RED, GREEN]]),
    "mono8": (image("mono8", [[1, 2]], 2), [[1, 2]]),
    "mono16": (image("mono16", [[0x34, 0x12, 0x78, 0x56]], 2), [[0x1234, 0x5678]]),
    "16UC1": (image("16UC1", [[0x34, 0x12, 0x78, 0x56]], 2), [[0x1234, 0x5678]]),
    "16UC1, big end first": (image("16UC1", [[0x12, 0x34, 0x56, 0x78]], 2, big=True), [[0x1234, 0x5678]]),
    "32FC1": (image("32FC1", [np.array([0.5, 2.0], np.float32).tobytes()], 2), [[0.5, 2.0]]),
    "rows with padding": (image("rgb8", [RED, GREEN], 1, 2, pad=b"\x07" * 5), [[RED], [GREEN]]),
    "depth with padding": (image("16UC1", [[1, 0], [2, 0]], 1, 2, pad=b"\x07\x07"), [[1], [2]]),
    "yuv422_yuy2": (image("yuv422_yuy2", [[76, 85, 76, 255]], 2), [[RED, RED]]),
    "yuv422": (image("yuv422", [[85, 76, 255, 76]], 2), [[RED, RED]]),
}


@pytest.mark.parametrize("case", KNOWN)
def test_pixels_have_known_values(case):
    message, expected = KNOWN[case]
    slack = 3 if message.encoding.startswith("yuv") else 0
    for convert in (images.image_array, ros_images.pixels):
        found = convert(message)
        assert found.shape == np.shape(expected) and found.flags.c_contiguous
        np.testing.assert_allclose(found.astype(float), np.array(expected, float), atol=slack)


@pytest.mark.parametrize(
    "message",
    [
        image("bayer_rggb8", [[1, 2]], 2),
        image("rgb8", [[1, 2]], 2),
        image("yuv422_yuy2", [[1] * 6], 3),
        Image(width=0, height=0, encoding="rgb8"),
    ],
)
def test_what_is_no_image_is_refused_by_both(message):
    for convert in (images.image_array, ros_images.pixels):
        with pytest.raises(ValueError, match="allowed: "):
            convert(message)


@pytest.mark.parametrize(
    "angles, expected",
    [
        ((0, 0, 0), (0, 0, 0, 1)),
        ((np.pi / 2, 0, 0), (np.sqrt(0.5), 0, 0, np.sqrt(0.5))),
        ((0.1, 0.2, 0.3), (0.03427080, 0.10602051, 0.14357218, 0.98334744)),
        ((-2.1294, 0.0, 0.9172), (-0.78426937, -0.38719875, 0.21460289, 0.43467722)),
    ],
)
def test_quaternions_have_known_values(angles, expected):
    found = np.asarray(quaternion_from_euler(*angles))
    np.testing.assert_allclose(found * np.sign(found[3]), expected, atol=1e-7)
