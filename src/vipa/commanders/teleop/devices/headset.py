"""A headset's controllers through Isaac Teleop's ROS 2 node: `xr_teleop/controller_data`, a msgpack dictionary in a ByteMultiArray.

Poses are OpenXR's (x right, y up, z towards the person). The grip is squeezed to move, the trigger closes the hand. As published by
NVIDIA/IsaacTeleop, examples/teleop_ros2/python/messages.py; no code of theirs is used.
"""

from dataclasses import dataclass
from typing import Literal

import msgpack
import numpy as np

from vipa.commanders.teleop.device import SELECTED, ArmInput, DeviceInput
from vipa.geometry import rotation

MESSAGE_TIMEOUT_S = 0.1  # seconds without a message after which the headset counts as lost
SQUEEZED_SHARE = 0.5  # share of the grip from which it is held
MAX_BYTES = 1 << 16
# rows: the person's forward, left and up in OpenXR's axes
OPENXR = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
EVENTS = {
    "right_primary_click": "start", "right_secondary_click": "success", "left_primary_click": "mark",
    "left_secondary_click": "discard", "left_menu_click": "estop", "right_thumbstick_click": "faster", "left_thumbstick_click": "slower",
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """topic: of the controllers. hands: both (arms named left and right), or one, which moves the selected arms."""

    topic: str = "xr_teleop/controller_data"
    hands: Literal["both", "left", "right"] = "right"


class Headset:
    """Squeeze a grip, and its arm moves as the controller does."""

    name, deadman = "headset", True
    keys = (
        ("grip", "squeeze to move"), ("trigger", "closes the hand"), ("A", "begin a demonstration"), ("B", "success"), ("X", "mark"),
        ("Y", "discard"), ("menu", "emergency stop"), ("stick clicks", "slower, faster"),
    )  # fmt: skip

    def __init__(self, options: Options):
        self.options, self.topics = options, {options.topic: "bytes"}
        self.data: dict = {}
        self.stamp, self.changed = -np.inf, lambda: None
        self._down: dict[str, bool] = {}
        self._events: list[str] = []

    def open(self, changed) -> None:
        self.changed = changed

    def heard(self, topic: str, value: bytes, now: float) -> None:
        """A message came at `now`, monotonic seconds. Raises ValueError for one that is none."""
        if len(value) > MAX_BYTES:
            raise ValueError(f"headset: {len(value)} bytes; allowed: {MAX_BYTES}")
        try:
            data = msgpack.unpackb(value, raw=False, strict_map_key=True, max_array_len=16, max_map_len=256)
        except Exception as error:  # noqa: BLE001 - msgpack raises many kinds
            raise ValueError(f"headset: no msgpack: {error}") from None
        if not isinstance(data, dict):
            raise ValueError("headset: no dictionary")
        self.data, self.stamp = data, now
        for key, event in EVENTS.items():
            down = _number(data.get(key)) > 0.5
            if down and not self._down.get(key, True):  # what is held when it begins is no press
                self._events.append(event)
            self._down[key] = down
        self.changed()

    def read(self, now: float) -> DeviceInput:
        events, self._events = tuple(self._events), []
        age = now - self.stamp
        if age > MESSAGE_TIMEOUT_S:
            since = f"for {age:.1f} s" if np.isfinite(age) else "yet"
            return DeviceInput(events=events, fault=f"headset: nothing on {self.options.topic} {since}")
        if self.options.hands == "both":
            arms = {side: self._arm(side) for side in ("left", "right")}
        else:
            arms = {SELECTED: self._arm(self.options.hands)}
        return DeviceInput(arms, events)

    def _arm(self, side: str) -> ArmInput:
        data = self.data
        if not data.get(f"{side}_is_active"):
            return ArmInput()
        position, quaternion = data.get(f"{side}_grip_position"), data.get(f"{side}_grip_orientation")
        if not _is_numbers(position, 3) or not _is_numbers(quaternion, 4) or not np.linalg.norm(quaternion) > 0.5:
            return ArmInput()
        turn = OPENXR @ rotation.to_matrix(rotation.normalised(np.array(quaternion, float))) @ OPENXR.T
        pose = np.concatenate([OPENXR @ np.array(position, float), rotation.from_matrix(turn)])
        held = _number(data.get(f"{side}_squeeze_value")) > SQUEEZED_SHARE
        return ArmInput(held=held, pose=pose, hand=1.0 - _number(data.get(f"{side}_trigger_value")))

    def close(self) -> None:
        self.changed = lambda: None


def _number(value) -> float:
    """A finite number, 0 for what is none."""
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else 0.0


def _is_numbers(value, count: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(v, (int, float)) and np.isfinite(v) for v in value)
    )


def make(options: Options) -> Headset:
    """A headset, not open yet."""
    return Headset(options)
