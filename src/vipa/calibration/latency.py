"""How late a cell is: from an exposure to the stamp of its picture, from a command to the arm's motion, and to the hand's.

One joint moves to and fro in a pattern that does not repeat; the pattern is found again in what was measured and in the pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from vipa.calibration.delay import Delay, delay, seen_motion

SMALL = 48  # pixels across, of the pictures that are compared
MAX_SIGMA_S = 0.01  # seconds that a delay may be uncertain by


@dataclass(frozen=True)
class Track:
    """values (n,) at times (n,), seconds of ROS time."""

    times: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class LatencyResult:
    """command: seconds from a command to the motion of the arm, by arm. hand: likewise of the hands. camera: from exposure to stamp.
    faults: what could not be told, a line each."""

    command: dict[str, Delay] = field(default_factory=dict)
    hand: dict[str, Delay] = field(default_factory=dict)
    camera: dict[str, Delay] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        return [d.fault for part in (self.command, self.hand, self.camera) for d in part.values() if d.fault]


def pattern(t: np.ndarray, amplitude: float, seconds: float) -> np.ndarray:
    """(n,) of a motion that begins and ends at rest at 0 and does not repeat: a sweep from 0.3 to 0.9 Hz. t (n,), amplitude: its unit."""
    share = np.clip(np.asarray(t, float) / seconds, 0, 1)
    phase = 2 * np.pi * seconds * (0.3 * share + 0.3 * share**2)
    return amplitude * np.sin(phase) * np.sin(np.pi * share) ** 2


def measure(
    commanded: Mapping[str, Track],
    measured: Mapping[str, Track],
    hands: Mapping[str, tuple[Track, Track]],
    pictures: Mapping[str, Track],
) -> LatencyResult:
    """commanded, measured: position of the joint that moves most, by arm. hands: command and measured opening, by arm. pictures:
    `pictures_track` by camera. What did not move is left out."""
    command = {name: _judged(delay(commanded[name].times, commanded[name].values, m.times, m.values, what=f"arm {name}"))
               for name, m in measured.items() if name in commanded}  # fmt: skip
    hand = {
        name: _judged(delay(c.times, c.values, m.times, m.values, what=f"hand of {name}"))
        for name, (c, m) in hands.items()
    }
    moving = max(measured.values(), key=lambda track: float(np.std(track.values)), default=None)
    camera = {name: _judged(delay(moving.times, moving.values, p.times, p.values, what=f"camera {name}"))
              for name, p in pictures.items() if moving is not None}  # fmt: skip
    return LatencyResult(command, hand, camera)


def _judged(found: Delay) -> Delay:
    if found.fault or found.sigma <= MAX_SIGMA_S:
        return found
    return Delay(
        found.seconds,
        found.sigma,
        found.agreement,
        f"known to {1e3 * found.sigma:.0f} ms; allowed: {1e3 * MAX_SIGMA_S:.0f} ms",
    )


def pictures_track(times, pictures: list[np.ndarray]) -> Track:
    """Of small grey pictures, see `small`, at `times`, seconds."""
    return Track(np.asarray(times, float), seen_motion(np.stack(pictures)))


def small(picture: np.ndarray) -> np.ndarray:
    """(h, SMALL) float32 grey of a picture (H, W, 3) uint8: what `pictures_track` compares. Its brightness does not matter."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    height = max(round(SMALL * grey.shape[0] / grey.shape[1]), 8)
    shrunk = cv2.resize(grey, (SMALL, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    return shrunk / max(float(shrunk.mean()), 1.0)


def answered_s(frame_id: str) -> float:
    """Seconds of ROS time of the joint state that a command answers, by its header.frame_id; 0.0 where it says none."""
    first = frame_id.split(" ", 1)[0]
    return int(first) / 1e9 if first.isdigit() else 0.0
