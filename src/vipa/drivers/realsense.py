"""Intel RealSense D400 cameras through librealsense: captures of colour and depth that belong together, and what the camera says of
itself.

Streams are opened sensor by sensor and matched by librealsense's syncer, depth is aligned to colour by its `align`: the same path for
a camera and for `rs.software_device`, which the tests use. L515 cameras left librealsense after 2.54: they want that version.
"""

import ctypes
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

from vipa.errors import VipaError
from vipa.robot.description import Camera

SYNC_MODES = {"none": 0, "master": 1, "slave": 2}  # of inter_cam_sync_mode
QUEUE_FRAMES = 8  # frames that the syncer keeps for a reader that is late
MILLIMETRE_M = 0.001


@functools.cache
def library() -> ModuleType:
    """The module pyrealsense2. Raises VipaError if it is not installed, or lacks libusb."""
    try:
        import libusb_package  # carries libusb-1.0 for systems without it

        ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
    except (ImportError, OSError):
        pass
    try:
        import pyrealsense2
    except ImportError as error:
        raise VipaError(f"pyrealsense2 cannot be imported ({error}); install pyrealsense2 and libusb-1.0") from None
    return pyrealsense2


@dataclass(frozen=True)
class Capture:
    """Colour (H, W, 3) uint8 RGB and depth (H, W) uint16 millimetres aligned to it (0: none), K (3, 3), distortion (5,)
    plumb_bob. stamp_ns: ns of exposure on the host's clock. numbers: the frame counters of colour and depth."""

    stamp_ns: int
    color: np.ndarray
    depth: np.ndarray
    intrinsics: np.ndarray
    distortion: np.ndarray
    numbers: tuple[int, int]


@dataclass
class Device:
    """One open camera. One thread. Raises VipaError where the camera cannot do what its robot file wants."""

    handle: object
    camera: Camera
    facts: dict[str, str] = field(init=False)

    def __post_init__(self):
        rs = library()
        self.facts = facts(self.handle)
        self._first_ns, self._locked = 0, False
        self._syncer, self._align = rs.syncer(QUEUE_FRAMES), rs.align(rs.stream.color)
        self._filters = _filters(self.camera.realsense.filters)
        self._open: list = []
        wanted = {rs.stream.color: rs.format.rgb8, rs.stream.depth: rs.format.z16}
        chosen = [(s, p) for s in self.handle.query_sensors() if (p := self._profiles(s, wanted))]
        found = {p.stream_type() for _, profiles in chosen for p in profiles}
        if missing := [stream.name for stream in wanted if stream not in found]:
            c = self.camera
            raise VipaError(
                f"camera {c.name} ({self.facts['serial']}): no {' and no '.join(missing)} of {c.width}x{c.height} at {c.rate:g} Hz; "
                f"it has: {', '.join(self.offers()) or 'none'}"
            )
        sync = self.camera.realsense.sync
        if sync != "none" and not any(s.supports(rs.option.inter_cam_sync_mode) for s, _ in chosen):
            raise VipaError(
                f"camera {self.camera.name} ({self.facts['serial']}): realsense.sync {sync}; "
                "this model has no hardware sync: none"
            )
        try:
            for sensor, profiles in chosen:
                self._configure(sensor)
                sensor.open(profiles)
                self._open.append(sensor)
                sensor.start(self._syncer)
        except VipaError:
            self.close()
            raise
        except RuntimeError as error:
            self.close()
            raise VipaError(f"camera {self.camera.name} ({self.facts['serial']}): {error}") from None

    def offers(self) -> list[str]:
        """Sizes and rates that colour and depth both have, as text."""
        rs, have = library(), {}
        for sensor in self.handle.query_sensors():
            for p in sensor.get_stream_profiles():
                if p.is_video_stream_profile() and p.stream_type() in (rs.stream.color, rs.stream.depth):
                    v = p.as_video_stream_profile()
                    have.setdefault(p.stream_type(), set()).add((v.width(), v.height(), p.fps()))
        both = set.intersection(*have.values()) if len(have) == 2 else set()
        return [f"{w}x{h} at {fps} Hz" for w, h, fps in sorted(both)]

    def captures(self, wait: float) -> Iterator[Capture | None]:
        """Captures as they come; None whenever none has come for `wait` seconds. Raises VipaError for stamps that tell no time."""
        while True:
            here, frames = self._syncer.try_wait_for_frames(round(wait * 1000))
            if not here:
                yield None
                continue
            single = frames.get_color_frame() or frames.get_depth_frame()
            if single and single.get_frame_timestamp_domain() == library().timestamp_domain.hardware_clock:
                raise VipaError(
                    f"camera {self.camera.name}: its stamps are of a clock of its own; allowed: global time (firmware 5.9 or later)"
                )
            if frames.get_color_frame() and frames.get_depth_frame():
                capture = self._capture(frames)
                self._lock(capture.stamp_ns)
                yield capture

    def temperature(self) -> float | None:
        """Degrees Celsius of the depth sensor's chip, where the camera tells."""
        option = library().option.asic_temperature
        for sensor in self._open:
            if sensor.supports(option):
                return float(sensor.get_option(option))
        return None

    def close(self) -> None:
        """Ends the streams. A camera that has gone has none to end."""
        for sensor in self._open:
            for end in (sensor.stop, sensor.close):
                try:
                    end()
                except RuntimeError:
                    pass
        self._open = []

    def _profiles(self, sensor, wanted) -> list:
        c, found = self.camera, {}
        for p in sensor.get_stream_profiles():
            if not p.is_video_stream_profile() or wanted.get(p.stream_type()) != p.format():
                continue
            v = p.as_video_stream_profile()
            if (v.width(), v.height(), p.fps()) == (c.width, c.height, round(c.rate)):
                found.setdefault(p.stream_type(), p)
        return list(found.values())

    def _configure(self, sensor) -> None:
        option, s = library().option, self.camera.realsense
        values = [(option.global_time_enabled, 1.0), (option.frames_queue_size, float(QUEUE_FRAMES))]
        if sensor.supports(option.emitter_enabled):
            values += [
                (option.emitter_enabled, float(s.emitter)),
                (option.inter_cam_sync_mode, SYNC_MODES[s.sync]),
            ]
        else:  # colour
            for manual, auto, value in (
                (option.exposure, option.enable_auto_exposure, s.exposure),
                (option.white_balance, option.enable_auto_white_balance, s.white_balance),
            ):
                values += [(auto, float(not value))] + ([(manual, value)] if value else [])
        for key, value in values:
            if sensor.supports(key) and not sensor.is_option_read_only(key):
                self._set(sensor, key, value)

    def _set(self, sensor, key, value: float) -> None:
        r = sensor.get_option_range(key)
        if not r.min <= value <= r.max:
            raise VipaError(
                f"camera {self.camera.name} ({self.facts['serial']}): {key.name} {value:g}; allowed: {r.min:g} to {r.max:g}"
            )
        sensor.set_option(key, value)

    def _lock(self, stamp_ns: int) -> None:
        """Keeps exposure and white balance where the automatics have brought them."""
        self._first_ns = self._first_ns or stamp_ns
        after = self.camera.realsense.lock_after
        if self._locked or not after or stamp_ns - self._first_ns < after * 1e9:
            return
        self._locked, option = True, library().option
        for sensor in self._open:
            for manual, auto in (
                (option.exposure, option.enable_auto_exposure),
                (option.white_balance, option.enable_auto_white_balance),
            ):
                if sensor.supports(manual) and sensor.supports(auto) and not sensor.supports(option.emitter_enabled):
                    value = sensor.get_option(manual)
                    sensor.set_option(auto, 0.0)
                    sensor.set_option(manual, value)

    def _capture(self, frames) -> Capture:
        for step in self._filters:
            frames = step.process(frames).as_frameset()
        frames = self._align.process(frames)
        color, depth = frames.get_color_frame(), frames.get_depth_frame()
        i = color.get_profile().as_video_stream_profile().get_intrinsics()
        millimetres = np.asarray(depth.get_data())
        if abs(depth.get_units() - MILLIMETRE_M) > 1e-6:
            millimetres = np.rint(millimetres * (depth.get_units() / MILLIMETRE_M)).clip(0, 65535).astype(np.uint16)
        near, far = (1000 * bound for bound in self.camera.depth_range)
        return Capture(
            round(color.get_timestamp() * 1e6),
            np.array(color.get_data()),
            np.where((millimetres >= near) & (millimetres <= far), millimetres, np.uint16(0)),
            np.array([[i.fx, 0, i.ppx], [0, i.fy, i.ppy], [0, 0, 1]]),
            np.array(i.coeffs),
            (color.get_frame_number(), depth.get_frame_number()),
        )


def facts(handle) -> dict[str, str]:
    """What a camera says of itself: name, serial, firmware, usb ("" where it does not)."""
    info = library().camera_info
    keys = {
        "name": info.name,
        "serial": info.serial_number,
        "firmware": info.firmware_version,
        "usb": info.usb_type_descriptor,
    }
    return {key: handle.get_info(what) if handle.supports(what) else "" for key, what in keys.items()}


def find(cameras: list[Camera], handles: list) -> dict[str, object]:
    """The handle of each camera that is plugged in, by its name: by serial number, or the only one left for one without.

    Raises VipaError if two cameras have no serial number, where it is a matter of luck which is which.
    """
    by_serial = {facts(h)["serial"]: h for h in handles}
    unnamed = [c.name for c in cameras if not c.serial]
    if unnamed and len(cameras) > 1:
        raise VipaError(
            f"camera {unnamed[0]}: no serial in the robot file; allowed with several cameras: one each; "
            f"plugged in: {', '.join(by_serial) or 'none'}"
        )
    if unnamed:
        return {unnamed[0]: handles[0]} if len(handles) == 1 else {}
    return {c.name: by_serial[c.serial] for c in cameras if c.serial in by_serial}


def plugged_in() -> list:
    """Handles of the cameras that librealsense sees now."""
    return list(_context().query_devices())


@functools.cache
def _context():
    return library().context()


def _filters(names: list[str]) -> list:
    rs = library()
    made = [getattr(rs, f"{name}_filter")() for name in names]
    return [rs.disparity_transform(True), *made, rs.disparity_transform(False)] if made else []
