"""A RealSense camera made of librealsense's own software device: its matcher, syncer and align work on frames that a test gives."""

import threading
import time

import numpy as np

from vipa.drivers.realsense import library

WIDTH, HEIGHT, RATE = 64, 48, 30
FOCAL = 60.0
BASELINE = 0.015  # metres from the depth sensor to the colour sensor, along x


class SoftwareCamera:
    """`feed` gives it frames on a thread until `unplug`; `handle` is what librealsense gives for a camera.

    size: (width, height). frames: calls with the frame's number and gives (colour (H, W, 3), depth (H, W) raw); None: that
    frame is lost. hardware: its stamps are of a clock of its own that began with it. sync: it has hardware sync.
    """

    def __init__(
        self, serial: str, size=(WIDTH, HEIGHT), units: float = 0.001, hardware: bool = False, sync: bool = True
    ):
        rs = self.rs = library()
        self.size, self.units, self.hardware = size, units, hardware
        self.handle = rs.software_device()
        self.handle.register_info(rs.camera_info.name, "Software D435")
        self.handle.register_info(rs.camera_info.serial_number, serial)
        self.handle.register_info(rs.camera_info.firmware_version, "5.16.0.1")
        self.depth, self.color = self.handle.add_sensor("Stereo Module"), self.handle.add_sensor("RGB Camera")
        self.depth_profile = self.depth.add_video_stream(self._stream(rs.stream.depth, 0, rs.format.z16, 2))
        self.color_profile = self.color.add_video_stream(self._stream(rs.stream.color, 1, rs.format.rgb8, 3))
        self.depth.add_read_only_option(rs.option.depth_units, units)
        for option, highest in ((rs.option.enable_auto_exposure, 1), (rs.option.enable_auto_white_balance, 1),
                                (rs.option.exposure, 10_000), (rs.option.white_balance, 6500)):  # fmt: skip
            self.color.add_option(option, self._range(highest), True)
        for option in (rs.option.emitter_enabled, *([rs.option.inter_cam_sync_mode] if sync else [])):
            self.depth.add_option(option, self._range(2), True)
        away = rs.extrinsics()
        away.rotation, away.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [-BASELINE, 0, 0]
        self.depth_profile.register_extrinsics_to(self.color_profile, away)
        self.handle.create_matcher(rs.matchers.default)
        self.there, self._end, self._thread = True, threading.Event(), None
        self.began = time.monotonic()

    def _range(self, highest: float):
        made = self.rs.option_range()
        made.min, made.max, made.step, made.default = 0, highest, 1, 1
        return made

    def _stream(self, kind, uid, fmt, bpp):
        v = self.rs.video_stream()
        v.type, v.index, v.uid, v.fmt, v.bpp, v.fps = kind, 0, uid, fmt, bpp, RATE
        v.width, v.height = self.size
        i = self.rs.intrinsics()
        i.width, i.height = self.size
        i.fx = i.fy = FOCAL * self.size[0] / WIDTH
        i.ppx, i.ppy = self.size[0] / 2, self.size[1] / 2
        i.model, i.coeffs = self.rs.distortion.brown_conrady, [0.01, 0.0, 0.0, 0.0, 0.0]
        v.intrinsics = i
        return v

    def give(self, number: int, color: np.ndarray, depth: np.ndarray) -> None:
        """One capture, stamped now."""
        domain = self.rs.timestamp_domain
        stamp = (time.monotonic() - self.began if self.hardware else time.time()) * 1000
        for sensor, profile, pixels in (
            (self.depth, self.depth_profile, depth),
            (self.color, self.color_profile, color),
        ):
            f = self.rs.software_video_frame()
            f.pixels = np.ascontiguousarray(pixels)
            f.bpp = pixels.itemsize * (3 if pixels.ndim == 3 else 1)
            f.stride = self.size[0] * f.bpp
            f.timestamp, f.frame_number = stamp, number
            f.domain = domain.hardware_clock if self.hardware else domain.global_time
            f.profile = profile.as_video_stream_profile()
            if sensor is self.depth and hasattr(f, "depth_units"):  # librealsense 2.54 has it not
                f.depth_units = self.units
            sensor.on_video_frame(f)

    def feed(self, frames, period: float = 1 / RATE) -> None:
        """Gives frames on a thread from now on, one every `period` wall seconds."""
        self.there, self._end = True, threading.Event()

        def run(end=self._end):
            number = 0
            while not end.wait(period):
                number += 1
                pictures = frames(number)
                if pictures is not None:
                    try:
                        self.give(number, *pictures)
                    except RuntimeError:  # not open at this moment
                        pass

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """No more frames, and it is not among those plugged in."""
        self.there = False
        self.stop()

    def stop(self) -> None:
        """No more frames."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()


def pictures(number: int, size=(WIDTH, HEIGHT), metres: float = 0.5, units: float = 0.001):
    """Noise as a camera has it, depth of a wall `metres` away."""
    random = np.random.default_rng(number)
    color = random.integers(90, 160, (size[1], size[0], 3), np.uint8)
    depth = np.full((size[1], size[0]), round(metres / units), np.uint16)
    depth[random.integers(0, size[1]), random.integers(0, size[0])] += 1
    return color, depth
