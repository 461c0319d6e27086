"""A RealSense camera on a thread of its own: opened, read, published, and opened again when it has gone."""

import threading
import time
from collections.abc import Callable

import numpy as np

from vipa.drivers.realsense import Capture, Device
from vipa.errors import VipaError
from vipa.robot.captures import capture_fault
from vipa.robot.description import Camera
from vipa.robot.state import CameraFrame
from vipa.robot.stream_health import Health, StreamHealth

CAPTURE_TIMEOUT_S = 1.0  # wall seconds without a capture after which a camera is opened again
RETRY_S = 1.0  # wall seconds between two looks for a camera that is not there
UNKNOWN_POSE = np.eye(4)  # the publisher sends no pose: TF tells it


class CameraThread(threading.Thread):
    """open_device: the camera opened, None while it is not plugged in; may raise VipaError. publish(frame, capture) is called
    on this thread with every capture that is fit for use. `facts`, `temperature` and `state()` may be read from any thread."""

    def __init__(
        self, camera: Camera, open_device: Callable[[], Device | None], publish: Callable[[CameraFrame, Capture], None]
    ):
        super().__init__(name=f"camera {camera.name}", daemon=True)
        self.camera, self.open_device, self.publish = camera, open_device, publish
        self.health = StreamHealth(camera.name, camera.rate)
        self.facts: dict[str, str] = {}
        self.temperature: float | None = None
        self.restarts, self.published = -1, 0
        self._trouble = f"camera {camera.name}: being opened"
        self._end = threading.Event()
        self._state = Health((self._trouble,), 0.0, 0)

    def state(self) -> Health:
        """Its health now: without a fault, frames flow."""
        return self._state

    def run(self) -> None:
        while not self._end.is_set():
            try:
                device = self.open_device()
            except (
                VipaError,
                RuntimeError,
            ) as error:  # librealsense raises RuntimeError for a camera that goes meanwhile
                device = self._say(str(error))
            if device is None:
                self._end.wait(RETRY_S)
                continue
            try:
                self._read(device)
            except (VipaError, RuntimeError) as error:
                self._say(str(error))
                self._end.wait(RETRY_S)
            finally:
                device.close()

    def close(self) -> None:
        """Ends the thread and the camera's streams."""
        self._end.set()
        self.join(timeout=CAPTURE_TIMEOUT_S + 1.0)

    def _read(self, device: Device) -> None:
        self.facts, self.restarts = device.facts, self.restarts + 1
        self.health.restarted()
        looked = 0.0
        for capture in device.captures(CAPTURE_TIMEOUT_S):
            if self._end.is_set():
                return
            if capture is None:
                self._say(f"camera {self.camera.name}: no capture for {CAPTURE_TIMEOUT_S:g} s; it is opened again")
                return
            self._take(capture)
            if time.monotonic() - looked > 1.0:
                looked, self.temperature = time.monotonic(), device.temperature()

    def _take(self, capture: Capture) -> None:
        c = self.camera
        frame = CameraFrame(c.name, capture.stamp_ns, capture.color, capture.depth, capture.intrinsics, UNKNOWN_POSE)
        self.health.take(frame, capture.numbers)
        health = self.health.health()
        if why := capture_fault(frame, capture.color.shape[1::-1]):
            self._state = Health((why, *health.faults), health.rate, health.lost)
            return
        self._state = health
        self.publish(frame, capture)
        self.published += 1

    def _say(self, why: str) -> None:
        self._state = Health((why,), 0.0, self.health.lost)
