"""What a teleoperation device says, and the protocol that every device keeps."""

import math
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

AXES = ("x", "y", "z", "roll", "pitch", "yaw")
MAX_STEPS = 2.0  # steps of one axis that are taken from one reading
SELECTED = ""  # the key of `DeviceInput.arms` for whichever arms the person has selected

# Events that move something. A device with a deadman gives them only while it is held.
HAND_EVENTS = ("open", "close", "wider", "narrower")
HEAD_EVENTS = ("head_left", "head_right", "head_up", "head_down")
# Events that change how the arm is driven.
DRIVE_EVENTS = ("clutch", "next_arm", "next_frame", "faster", "slower", *(f"lock_{axis}" for axis in AXES))
# Events for who runs the session: emergency stop, takeover, demonstrations.
SESSION_EVENTS = ("estop", "rearm", "home", "recover", "pause", "take", "give_back", "start", "stop", "success", "discard", "mark", "quit")  # fmt: skip
EVENTS = (*HAND_EVENTS, *HEAD_EVENTS, *DRIVE_EVENTS, *SESSION_EVENTS)


@dataclass(frozen=True)
class ArmInput:
    """What a device says of one arm: one of `rate`, `steps`, `pose` and `joints`, or none of them.

    held: the deadman is held; without it nothing moves. rate (6,): share of the speed along and about the axes of the chosen
    frame, -1 to 1. steps (6,): bounded steps since the last reading, which stand for themselves: a key has been pressed.
    pose (7,): of the device in a frame of its own, x forward, y left, z up. joints (J,): of a leader arm, radians.
    hand: opening 0 closed to 1 open, None: not told.
    """

    held: bool = False
    rate: np.ndarray | None = None
    steps: np.ndarray | None = None
    pose: np.ndarray | None = None
    joints: np.ndarray | None = None
    hand: float | None = None


@dataclass(frozen=True)
class DeviceInput:
    """One reading. arms: by arm, SELECTED for the selected ones. fault: why nothing can be read, "" if all is well."""

    arms: dict[str, ArmInput] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    fault: str = ""


class Device(Protocol):
    """A teleoperation device.

    name: of its module in `vipa.commanders.teleop.devices`. deadman: it can tell that it has been let go of. keys: (key, what
    it does) for the screen. Readings come from the caller's thread; a device may have a thread of its own.
    """

    name: str
    deadman: bool
    keys: tuple[tuple[str, str], ...]

    def open(self, changed) -> None:
        """Begins to listen. changed(): called from any thread whenever there is something new to read. Raises VipaError."""

    def read(self, now: float) -> DeviceInput:
        """What it says at `now`, monotonic seconds. Never blocks; each event and each step is given once."""

    def close(self) -> None:
        """Lets go of it. May be called twice."""


def checked(given: ArmInput) -> ArmInput:
    """`given` with what may be used of it: whatever is not finite or not of its shape is let go of; numbers are in range."""
    rate, steps, pose, joints, hand = given.rate, given.steps, given.pose, given.joints, given.hand
    usable = (
        _is_vector(rate, 6) and _is_vector(steps, 6) and _is_vector(pose, 7) and _is_vector(joints, None)
        and (pose is None or np.linalg.norm(pose[3:]) > 0.5)
    )  # fmt: skip
    if not usable:
        return ArmInput()
    if hand is not None:
        hand = min(max(float(hand), 0.0), 1.0) if math.isfinite(hand) else None
    return replace(
        given,
        rate=None if rate is None else np.clip(np.asarray(rate, float), -1.0, 1.0),
        steps=None if steps is None else np.clip(np.asarray(steps, float), -MAX_STEPS, MAX_STEPS),
        pose=None if pose is None else np.concatenate([pose[:3], pose[3:] / np.linalg.norm(pose[3:])]),
        joints=None if joints is None else np.asarray(joints, float),
        hand=hand,
    )


def _is_vector(value, size: int | None) -> bool:
    if value is None:
        return True
    shape = np.shape(value)
    return len(shape) == 1 and (size is None or shape[0] == size) and bool(np.all(np.isfinite(value)))
