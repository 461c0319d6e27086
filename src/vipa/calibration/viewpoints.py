"""From where a camera is to look at the board, and where the hand goes for it: spread, so that every part of the result is seen."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

FACING = 0.5  # of the angle between board and camera in the first view, that the others are nearer to facing each other


@dataclass(frozen=True)
class Spread:
    """How far views lie apart. tilt: radians of the camera about the board's middle, at most; roll: radians about the line of sight, at
    most. distance: times the first one. aside: of the distance, that the board may lie off the picture's middle."""

    tilt: float = np.radians(24.0)
    roll: float = np.radians(35.0)
    distance: tuple[float, float] = (0.85, 1.2)
    aside: float = 0.12


HAND_EYE = Spread()
# Distortion is seen in the picture's corners, the focal length in a board that is near and tilted (docs/calibration.md has both measured).
INTRINSICS = Spread(tilt=np.radians(35.0), distance=(0.65, 1.1), aside=0.3)


def viewpoints(first: np.ndarray, count: int, seed: int = 0, spread: Spread = HAND_EYE) -> list[np.ndarray]:
    """`count` poses (4, 4) of the board in the camera's frame, around `first`, which is the first of them. Draws of `seed`."""
    rng, found, facing = np.random.default_rng(seed), [first], _towards_facing(first[:3, :3])
    for number in range(1, count):
        around = 2 * np.pi * (number * 0.618034 % 1.0)  # the golden ratio: no direction is left out
        tilt = spread.tilt * np.sqrt(rng.uniform(0.3, 1.0))
        turn = Rotation.from_rotvec([tilt * np.cos(around), tilt * np.sin(around), 0.0])
        turn = Rotation.from_rotvec([0.0, 0.0, rng.uniform(-spread.roll, spread.roll)]) * turn
        distance = np.linalg.norm(first[:3, 3])
        middle = np.array([0.0, 0.0, distance * rng.uniform(*spread.distance)])
        middle[:2] = distance * rng.uniform(-spread.aside, spread.aside, 2)
        pose = np.eye(4)
        pose[:3, :3] = turn.as_matrix() @ facing
        pose[:3, 3] = middle
        found.append(pose)
    return found


def _towards_facing(turn: np.ndarray) -> np.ndarray:
    """(3, 3) of the board turned towards the camera, by half of what is missing: a board that is seen edgeways is not found."""
    normal = turn[:, 2]
    axis = np.cross(normal, [0.0, 0.0, 1.0])
    size = np.linalg.norm(axis)
    missing = np.arctan2(size, normal[2])
    return Rotation.from_rotvec(axis / max(size, 1e-9) * missing * FACING).as_matrix() @ turn


def tool_poses(seen: list[np.ndarray], mount: np.ndarray, first_tool: np.ndarray, on_hand: bool) -> list[np.ndarray]:
    """(4, 4) base ← tool, so that the camera sees the board as in each of `seen`, by where the camera is thought to be.

    mount: of the camera in the tool frame (on the hand) or the base. first_tool: where the tool was when seen[0] was seen.
    """
    if on_hand:
        board = first_tool @ mount @ seen[0]
        return [board @ np.linalg.inv(pose) @ np.linalg.inv(mount) for pose in seen]
    held = np.linalg.inv(first_tool) @ mount @ seen[0]
    return [mount @ pose @ np.linalg.inv(held) for pose in seen]
