"""A keyboard as an input device (`evdev`): keys drive as long as they are held, and the space bar's neighbour is the deadman.

Unlike a terminal it tells when a key is let go of. It is grabbed: nothing else hears it.
"""

from dataclasses import dataclass

import numpy as np

from vipa.commanders.teleop.device import SELECTED, ArmInput, DeviceInput
from vipa.commanders.teleop.devices._evdev import EventDevice, events_of

# linux/input-event-codes.h
Q, W, E, R, T, I, O, P = 16, 17, 18, 19, 20, 23, 24, 25  # noqa: E741
A, S, D, F, G, H, J, K, L = 30, 31, 32, 33, 34, 35, 36, 37, 38
U, C, V, B, N, M, X, Y = 22, 46, 47, 48, 49, 50, 45, 21
SPACE, TAB, MINUS, EQUAL, LEFTALT, F1, F2, F3, F10 = 57, 15, 12, 13, 56, 59, 60, 61, 68
UP, DOWN, LEFT, RIGHT = 103, 108, 105, 106
RATES = {
    W: (0, 1), S: (0, -1), A: (1, 1), D: (1, -1), E: (2, 1), Q: (2, -1),
    O: (3, 1), U: (3, -1), I: (4, 1), K: (4, -1), J: (5, 1), L: (5, -1),
}  # fmt: skip
EVENTS = {
    SPACE: "estop", C: "close", V: "open", TAB: "next_arm", F: "next_frame", EQUAL: "faster", MINUS: "slower",
    LEFT: "head_left", RIGHT: "head_right", UP: "head_up", DOWN: "head_down",
    P: "pause", T: "take", G: "give_back", N: "start", B: "stop", Y: "success", X: "discard", M: "mark",
    F1: "rearm", F2: "home", F3: "recover", F10: "quit",
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """path: /dev/input/event… or part of the keyboard's name."""

    path: str = ""


class Keyboard:
    """Hold the left Alt key, and drive with the others."""

    name, deadman = "keyboard", True
    keys = (
        ("left Alt", "hold to move"), ("w s", "forward, back"), ("a d", "left, right"), ("e q", "up, down"),
        ("o u i k j l", "roll, pitch, yaw"), ("c v", "close, open the hand"), ("arrows", "head"), ("tab f - =", "arm, frame, slower, faster"),
    )  # fmt: skip

    def __init__(self, options: Options):
        self.events = EventDevice(self.name, options.path, (*RATES, LEFTALT, SPACE))

    def open(self, changed) -> None:
        self.events.open(changed)

    def read(self, now: float) -> DeviceInput:
        state = self.events.state
        rate = np.zeros(6)
        for code in tuple(state.held):
            if code in RATES:
                axis, sign = RATES[code]
                rate[axis] += sign
        arm = ArmInput(held=LEFTALT in state.held, rate=np.clip(rate, -1, 1))
        return DeviceInput({SELECTED: arm}, events_of(state.pressed, EVENTS), state.lost)

    def close(self) -> None:
        self.events.close()


def make(options: Options) -> Keyboard:
    """A keyboard, not open yet."""
    return Keyboard(options)
