"""A 3Dconnexion SpaceMouse (`hidapi`): six axes at once; a cap that is let go of springs back, which is its deadman.

Report layouts: 1 translation and 2 rotation, three signed 16-bit numbers each (350 at full deflection), or all six in report 1 of
newer devices; 3 buttons, a bit each. As spacenavd and the Linux HID descriptors have them.
"""

import importlib
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from vipa.commanders.teleop.device import SELECTED, ArmInput, DeviceInput
from vipa.config import Range
from vipa.errors import VipaError

VENDORS = (0x256F, 0x046D)  # 3Dconnexion, and Logitech, who sold them before
LOGITECH = ("space", "3dconnexion")  # words in the names of those of Logitech's that are meant
FULL_COUNTS = 350.0  # counts of a full deflection
# seconds without a report after which a deflected cap counts as let go of: they come every 8 to 16 ms
REPORT_TIMEOUT_S = 0.1
WAIT_MS = 50
EVENTS = {0: "close", 1: "open", 2: "next_arm", 3: "next_frame"}  # buttons


@dataclass(frozen=True)
class Options:
    """serial: of the device, "" the first. dead_zone: share of full deflection that counts as nothing. dominant: only the axis that is
    deflected most moves."""

    serial: str = ""
    dead_zone: Annotated[float, Range(0.01, 0.5)] = 0.08
    dominant: bool = False


class Reports:
    """What HID reports add up to. Any thread."""

    def __init__(self):
        self.counts = np.zeros(6)  # x, y, z, rx, ry, rz of the cap
        self.heard = -np.inf  # monotonic seconds
        self.pressed: deque[int] = deque(maxlen=64)
        self._buttons = 0

    def take(self, report: bytes, now: float) -> None:
        """One input report, its number first; one that is none is left out."""
        kind, body = (report[0], report[1:]) if report else (0, b"")
        if kind == 1 and len(body) >= 12:
            self.counts = np.array(struct.unpack("<6h", body[:12]), float)
            self.heard = now
        elif kind in (1, 2) and len(body) >= 6:
            self.counts = self.counts.copy()
            self.counts[3 * (kind - 1) : 3 * kind] = struct.unpack("<3h", body[:6])
            self.heard = now
        elif kind == 3 and body:
            buttons = int.from_bytes(body[:4], "little")
            self.pressed.extend(b for b in range(32) if buttons & ~self._buttons & (1 << b))
            self._buttons = buttons


class SpaceMouse:
    """Push, pull and twist the cap; nothing moves when it is in its middle."""

    name, deadman = "spacemouse", True
    keys = (("cap", "push, pull, twist: moves while it is deflected"), ("buttons", "close, open the hand"))

    def __init__(self, options: Options):
        self.options, self.reports = options, Reports()
        self.lost, self._hid = "", None

    def open(self, changed) -> None:
        try:
            hid = importlib.import_module("hid")
        except ImportError:
            raise VipaError(
                "device spacemouse: wants the package hidapi, which is not installed; run: pip install hidapi"
            ) from None
        self._hid = self._find(hid)
        threading.Thread(target=self._listen, args=(changed,), daemon=True, name=self.name).start()

    def _find(self, hid):
        found = [d for vendor in VENDORS for d in hid.enumerate(vendor, 0) if _is_meant(d)]
        for device in found:
            if self.options.serial in (device.get("serial_number") or ""):
                handle = hid.device()
                try:
                    handle.open_path(device["path"])
                except OSError:
                    raise VipaError(
                        f"device spacemouse: {device['path'].decode()}: may not be opened; a udev rule lets your user (docs/teleoperation.md)"
                    ) from None
                return handle
        names = ", ".join(f"{d.get('product_string')} {d.get('serial_number')}" for d in found)
        raise VipaError(f"device spacemouse: none with serial '{self.options.serial}'; here: {names or 'none'}")

    def _listen(self, changed) -> None:
        try:
            while True:
                report = self._hid.read(64, WAIT_MS)
                if report:
                    self.reports.take(bytes(report), time.monotonic())
                    changed()
        except (OSError, ValueError) as error:
            self.lost = f"the SpaceMouse is gone: {error}"
            changed()

    def read(self, now: float) -> DeviceInput:
        rate = self._rate() if now - self.reports.heard <= REPORT_TIMEOUT_S else np.zeros(6)
        events = []
        while self.reports.pressed:
            if (event := EVENTS.get(self.reports.pressed.popleft())) is not None:
                events.append(event)
        # a button of the hand counts as an act of its own: the other hand is on the cap, or off it
        arm = ArmInput(held=bool(np.any(rate)) or bool(events), rate=rate)
        return DeviceInput({SELECTED: arm}, tuple(events), self.lost)

    def _rate(self) -> np.ndarray:
        share = self.reports.counts / FULL_COUNTS
        share = np.where(np.abs(share) < self.options.dead_zone, 0.0, share)
        if self.options.dominant and np.any(share):
            share = np.where(np.arange(6) == int(np.argmax(np.abs(share))), share, 0.0)
        x, y, z, rx, ry, rz = np.clip(share, -1, 1)
        return np.array([-y, -x, -z, -ry, -rx, -rz])

    def close(self) -> None:
        if self._hid is not None:
            self._hid.close()
            self._hid = None


def _is_meant(device: dict) -> bool:
    name = (device.get("product_string") or "").lower()
    return device["vendor_id"] != VENDORS[1] or any(word in name for word in LOGITECH)


def make(options: Options) -> SpaceMouse:
    """A SpaceMouse, not open yet."""
    return SpaceMouse(options)
