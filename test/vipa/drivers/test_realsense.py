"""The RealSense driver on librealsense's own software device."""

import dataclasses
import time

import numpy as np
import pytest

from helpers.software_camera import BASELINE, FOCAL, HEIGHT, RATE, WIDTH, SoftwareCamera, pictures
from vipa import config
from vipa.drivers import realsense
from vipa.drivers.realsense import Device
from vipa.errors import VipaError
from vipa.robot.description import RealSense, load_robot

CAMERA = dataclasses.replace(
    load_robot("fr3_single").cameras[0], width=WIDTH, height=HEIGHT, rate=RATE, serial="100", depth_range=[0.1, 3.0]
)
pytestmark = pytest.mark.filterwarnings("error")


def run(**settings):
    """CAMERA, run so."""
    return dataclasses.replace(CAMERA, realsense=RealSense(**settings))


def captured(camera, count, described=CAMERA, frames=pictures):
    """`count` captures of a software camera."""
    device = Device(camera.handle, described)
    camera.feed(frames)
    found = []
    try:
        for capture in device.captures(20.0):
            assert capture is not None
            found.append(capture)
            if len(found) == count:
                return found
    finally:
        camera.stop()
        device.close()


def test_colour_and_aligned_depth_of_one_exposure():
    """A near square stands in the depth picture; in the colour camera, 15 mm aside, it is BASELINE * f / z pixels further left."""
    z = 0.3

    def frames(number):
        color, depth = pictures(number, metres=1.0)
        depth[20:30, 30:40] = round(z * 1000)
        return np.full_like(color, number), depth

    before = time.time_ns()
    for capture in captured(SoftwareCamera("100"), 5, frames=frames):
        assert capture.color.shape == (HEIGHT, WIDTH, 3) and capture.color.dtype == np.uint8
        assert capture.depth.shape == (HEIGHT, WIDTH) and capture.depth.dtype == np.uint16
        assert np.all(capture.color == capture.numbers[0]) and capture.numbers[0] == capture.numbers[1]
        columns = np.flatnonzero((capture.depth[25] > 250) & (capture.depth[25] < 350))
        assert abs(columns.mean() - (34.5 - BASELINE * FOCAL / z)) <= 1.0
        np.testing.assert_allclose(capture.intrinsics, [[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
        np.testing.assert_allclose(capture.distortion, [0.01, 0, 0, 0, 0], atol=1e-7)
        assert before <= capture.stamp_ns + 1_000_000 and capture.stamp_ns <= time.time_ns() + 1_000_000


@pytest.mark.parametrize("units", [0.001, 0.0001])
def test_depth_is_in_millimetres_whatever_the_camera_counts_in(units):
    camera = SoftwareCamera("100", units=units)
    (capture,) = captured(camera, 1, frames=lambda n: pictures(n, metres=0.5, units=units))
    assert abs(np.median(capture.depth[capture.depth > 0]) - 500) <= 1


def test_depth_out_of_range_is_none():
    (capture,) = captured(SoftwareCamera("100"), 1, frames=lambda n: pictures(n, metres=4.0))
    assert not capture.depth.any()


def test_a_camera_whose_stamps_tell_no_time_is_refused():
    with pytest.raises(VipaError, match="camera scene: its stamps are of a clock of its own; allowed: global time"):
        captured(SoftwareCamera("100", hardware=True), 1)


def test_filters_leave_what_is_flat():
    (*_, capture) = captured(SoftwareCamera("100"), 5, run(filters=["spatial", "temporal"]))
    assert abs(np.median(capture.depth[capture.depth > 0]) - 500) <= 5


def test_the_camera_is_run_as_the_robot_file_says():
    option, camera = realsense.library().option, SoftwareCamera("100")
    captured(camera, 1, run(exposure=200, white_balance=4600, sync="slave", emitter=False))
    color = [option.enable_auto_exposure, option.exposure, option.enable_auto_white_balance, option.white_balance]
    assert [camera.color.get_option(o) for o in color] == [0, 200, 0, 4600]
    assert [camera.depth.get_option(o) for o in (option.emitter_enabled, option.inter_cam_sync_mode)] == [0, 2]
    captured(camera, 1)
    assert [camera.color.get_option(o) for o in color] == [1, 200, 1, 4600]  # automatic again
    assert [camera.depth.get_option(o) for o in (option.emitter_enabled, option.inter_cam_sync_mode)] == [1, 0]


def test_automatics_are_locked_where_they_are():
    option, camera = realsense.library().option, SoftwareCamera("100")
    camera.color.set_option(option.exposure, 321)  # where the automatic has come to
    captured(camera, 10, run(lock_after=0.1))
    assert [camera.color.get_option(o) for o in (option.enable_auto_exposure, option.exposure)] == [0, 321]


@pytest.mark.parametrize(
    "settings, why",
    [
        ({"exposure": 20_000}, r"camera scene \(100\): exposure 20000; allowed: 0 to 10000"),
        ({"sync": "master"}, r"camera scene \(100\): realsense.sync master; this model has no hardware sync"),
    ],
)
def test_what_a_camera_cannot_do_is_refused(settings, why):
    with pytest.raises(VipaError, match=why):
        Device(SoftwareCamera("100", sync=False).handle, run(**settings))


def test_no_capture_is_said():
    device = Device(SoftwareCamera("100").handle, CAMERA)
    assert next(device.captures(0.05)) is None
    device.close()
    device.close()  # of a camera that has gone


def test_a_size_that_the_camera_has_not_is_refused_with_those_it_has():
    wanted = dataclasses.replace(CAMERA, width=640, height=480)
    with pytest.raises(
        VipaError, match=r"camera scene \(100\): no color and no depth of 640x480 at 30 Hz; it has: 64x48 at 30 Hz"
    ):
        Device(SoftwareCamera("100").handle, wanted)


@pytest.mark.parametrize(
    "values, why",
    [
        ({"exposure": -1.0}, "exposure"),
        ({"exposure": float("nan")}, "exposure"),
        ({"filters": ["sharpen"]}, "unknown filter of depth 'sharpen'; allowed: hole_filling, spatial, temporal"),
        ({"sync": "both"}, "sync: 'both' is not allowed; allowed: none, master, slave"),
    ],
)
def test_settings_that_are_none_are_refused(values, why):
    with pytest.raises(VipaError, match=why):
        config.build(values, RealSense, "realsense")


def test_cameras_are_told_apart_by_serial_number():
    a, b = SoftwareCamera("100"), SoftwareCamera("200")
    second = dataclasses.replace(CAMERA, name="wrist", serial="200")
    found = realsense.find([CAMERA, second], [b.handle, a.handle])
    assert [realsense.facts(found[n])["serial"] for n in ("scene", "wrist")] == ["100", "200"]
    assert list(realsense.find([CAMERA, second], [b.handle])) == ["wrist"]
    nameless = dataclasses.replace(CAMERA, serial="")
    assert realsense.find([nameless], [a.handle]) and not realsense.find([nameless], [a.handle, b.handle])
    with pytest.raises(VipaError, match=r"camera scene: no serial in the robot file; .* plugged in: 100, 200"):
        realsense.find([nameless, second], [a.handle, b.handle])
