"""Keys of a terminal: each one a bounded step. A terminal tells no key-up, so there is no deadman, and no key drives on."""

import os
import threading
from collections import deque
from dataclasses import dataclass

import numpy as np

from vipa.commanders.teleop.device import SELECTED, ArmInput, DeviceInput

# key → (axis, sign)
STEPS = {
    "w": (0, 1), "s": (0, -1), "a": (1, 1), "d": (1, -1), "e": (2, 1), "q": (2, -1),
    "o": (3, 1), "u": (3, -1), "i": (4, 1), "k": (4, -1), "j": (5, 1), "l": (5, -1),
}  # fmt: skip
EVENTS = {
    "c": "close", "v": "open", "[": "narrower", "]": "wider",
    "\x1b[D": "head_left", "\x1b[C": "head_right", "\x1b[A": "head_up", "\x1b[B": "head_down",
    "z": "clutch", "\t": "next_arm", "f": "next_frame", "+": "faster", "=": "faster", "-": "slower",
    "1": "lock_x", "2": "lock_y", "3": "lock_z", "4": "lock_roll", "5": "lock_pitch", "6": "lock_yaw",
    " ": "estop", "R": "rearm", "H": "home", "C": "recover",
    "p": "pause", "t": "take", "g": "give_back",
    "n": "start", "b": "stop", "y": "success", "x": "discard", "m": "mark", "Q": "quit",
}  # fmt: skip
KEYS = (
    ("w s", "forward, back"), ("a d", "left, right"), ("e q", "up, down"),
    ("o u", "roll"), ("i k", "pitch"), ("j l", "yaw"),
    ("c v", "close, open the hand"), ("[ ]", "a little"), ("arrows", "head"),
    ("tab", "next arm"), ("f", "next frame"), ("- +", "slower, faster"), ("1-6", "lock an axis"),
)  # fmt: skip
SESSION_KEYS = (
    ("space", "emergency stop"), ("R", "re-arm"), ("H", "home"), ("C", "recover"),
    ("p t g", "pause, take over, give back"),
    ("n", "start a demonstration"), ("m", "mark"), ("y", "success"), ("b", "stop"), ("x", "discard"), ("Q", "quit"),
)  # fmt: skip
ESCAPE = "\x1b["


@dataclass(frozen=True)
class Options:
    """None."""


class Terminal:
    """Keys typed at `handle` (a file descriptor in single-key mode, standard input if None)."""

    name = "terminal"
    deadman = False
    keys = KEYS

    def __init__(self, handle: int | None = None):
        self.handle = handle
        self._keys: deque[str] = deque(maxlen=64)
        self._begun = ""
        self._ended = False

    def open(self, changed) -> None:
        handle = 0 if self.handle is None else self.handle
        threading.Thread(target=self._listen, args=(handle, changed), daemon=True, name="terminal").start()

    def _listen(self, handle: int, changed) -> None:
        try:
            while data := os.read(handle, 64):
                self.feed(data.decode(errors="ignore"))
                changed()
        except OSError:  # the terminal is gone
            pass
        self._ended = True

    def feed(self, text: str) -> None:
        """Takes what was typed; an arrow is three characters, which may come apart."""
        for letter in text:
            self._begun += letter
            if ESCAPE.startswith(self._begun):
                continue  # the beginning of an arrow
            self._keys.append(self._begun)
            self._begun = ""

    def read(self, now: float) -> DeviceInput:
        """The keys since the last reading: steps add up, events keep their order."""
        steps, events = np.zeros(6), []
        while self._keys:
            key = self._keys.popleft()
            if key in STEPS:
                axis, sign = STEPS[key]
                steps[axis] += sign
            elif key in EVENTS:
                events.append(EVENTS[key])
        arms = {SELECTED: ArmInput(steps=steps)} if np.any(steps) else {}
        return DeviceInput(arms, tuple(events), "the terminal is gone" if self._ended else "")

    def close(self) -> None:
        pass


def make(options: Options) -> Terminal:
    """Standard input."""
    return Terminal()
