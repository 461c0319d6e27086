"""A gamepad (`evdev`; an Xbox or PlayStation layout as Linux names it): sticks drive while the left bumper is held."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from vipa.commanders.teleop.device import SELECTED, ArmInput, DeviceInput
from vipa.commanders.teleop.devices._evdev import EventDevice, events_of
from vipa.config import Range

# linux/input-event-codes.h and Documentation/input/gamepad.rst
SOUTH, EAST, NORTH, WEST, TL, TR, SELECT, START, MODE, THUMBL, THUMBR = (
    304,
    305,
    307,
    308,
    310,
    311,
    314,
    315,
    316,
    317,
    318,
)
X, Y, Z, RX, RY, RZ, HAT_X, HAT_Y = 0, 1, 2, 3, 4, 5, 16, 17
STICKS = {Y: (0, -1), X: (1, -1), RX: (5, -1)}  # axis of the stick → axis of the arm, sign
EVENTS = {
    SOUTH: "close", EAST: "open", NORTH: "mark", WEST: "next_arm", TR: "next_frame", THUMBL: "slower", THUMBR: "faster",
    START: "start", SELECT: "success", MODE: "estop",
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """path: /dev/input/event… or part of the gamepad's name. dead_zone: share of a stick's way that counts as its middle."""

    path: str = ""
    dead_zone: Annotated[float, Range(0.02, 0.5)] = 0.12


class Gamepad:
    """Left stick: forward and aside; right stick: up, down and turn; triggers: roll; cross: pitch."""

    name, deadman = "gamepad", True
    keys = (
        ("LB", "hold to move"), ("left stick", "forward, aside"), ("right stick", "up, turn"), ("triggers", "roll"), ("cross", "pitch"),
        ("A B", "close, open the hand"), ("X", "next arm"), ("RB", "next frame"), ("stick clicks", "slower, faster"),
        ("start", "begin a demonstration"), ("select", "success"), ("Y", "mark"), ("guide", "emergency stop"),
    )  # fmt: skip

    def __init__(self, options: Options):
        self.options = options
        self.events = EventDevice(self.name, options.path, (SOUTH, TL, X, Y, RX, RY))
        self.ranges: dict[int, tuple[float, float]] = {}

    def open(self, changed) -> None:
        self.events.open(changed)
        self.ranges = {code: self.events.range(code) for code in (X, Y, RX, RY)}
        for code in (Z, RZ):
            try:
                self.ranges[code] = self.events.range(code)
            except (KeyError, OSError):  # triggers that are buttons
                continue

    def read(self, now: float) -> DeviceInput:
        state, rate = self.events.state, np.zeros(6)
        for code, (axis, sign) in STICKS.items():
            rate[axis] += sign * self._centred(code)
        rate[2] -= self._centred(RY)
        rate[3] += self._trigger(RZ) - self._trigger(Z)
        rate[4] -= float(np.sign(state.axes.get(HAT_Y, 0)))
        arm = ArmInput(held=TL in state.held, rate=np.clip(rate, -1, 1))
        return DeviceInput({SELECTED: arm}, events_of(state.pressed, EVENTS), state.lost)

    def _centred(self, code: int) -> float:
        """-1 to 1, 0 in the dead zone, from there on rising from 0."""
        if code not in self.events.state.axes or code not in self.ranges:
            return 0.0
        low, high = self.ranges[code]
        share = 2 * (self.events.state.axes[code] - low) / max(high - low, 1.0) - 1
        zone = self.options.dead_zone
        return 0.0 if abs(share) < zone else float(np.sign(share) * min((abs(share) - zone) / (1 - zone), 1.0))

    def _trigger(self, code: int) -> float:
        if code not in self.events.state.axes or code not in self.ranges:
            return 0.0
        low, high = self.ranges[code]
        return float(np.clip((self.events.state.axes[code] - low) / max(high - low, 1.0), 0.0, 1.0))

    def close(self) -> None:
        self.events.close()


def make(options: Options) -> Gamepad:
    """A gamepad, not open yet."""
    return Gamepad(options)
