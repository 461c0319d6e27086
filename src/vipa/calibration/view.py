"""A view: what a camera saw of the board, and where the robot's joints were then."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vipa.calibration.board import Sighting

MIN_VIEWS = 8
RAY_STEPS = 15  # each leaves about a third of what is missing, in the corners of a wide lens


@dataclass(frozen=True)
class Intrinsics:
    """Of a pinhole camera with plumb_bob distortion: k (3, 3) pixels, distortion (5,), size (width, height) pixels."""

    k: np.ndarray
    distortion: np.ndarray
    size: tuple[int, int]


@dataclass(frozen=True)
class View:
    """name: as people know it, "pose 3". sighting: the board in the picture. tool: (4, 4) base ← tool frame when it was taken, None where
    no arm takes part."""

    name: str
    sighting: Sighting
    tool: np.ndarray | None = None


def transform(vector: np.ndarray) -> np.ndarray:
    """(4, 4) of (6,) rotation vector and translation, radians and metres."""
    made = np.eye(4)
    made[:3, :3] = cv2.Rodrigues(np.asarray(vector[:3], float))[0]
    made[:3, 3] = vector[3:]
    return made


def vector(matrix: np.ndarray) -> np.ndarray:
    """The inverse of `transform`."""
    return np.concatenate([cv2.Rodrigues(np.ascontiguousarray(matrix[:3, :3]))[0].ravel(), matrix[:3, 3]])


def board_pose(sighting: Sighting, points: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """(4, 4) camera ← board by the corners alone. points: (N, 3) of the board."""
    seen = points[sighting.ids]
    _, turns, shifts, errors = cv2.solvePnPGeneric(
        seen, sighting.corners, camera.k, camera.distortion, flags=cv2.SOLVEPNP_IPPE
    )
    best = int(np.argmin(np.ravel(errors)))  # a plane has two poses that look alike
    turn, shift = cv2.solvePnPRefineLM(seen, sighting.corners, camera.k, camera.distortion, turns[best], shifts[best])
    return transform(np.concatenate([turn.ravel(), shift.ravel()]))


def project(pose: np.ndarray, points: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """(n, 2) pixels of the points (n, 3) of a board at `pose` (4, 4) camera ← board."""
    at = vector(pose)
    return cv2.projectPoints(points, at[:3], at[3:], camera.k, camera.distortion)[0].reshape(-1, 2)


def rays(pixels: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """(n, 2) x / z, y / z of the rays through `pixels` (n, 2): the inverse of `project`. OpenCV's undistortPoints takes five steps, which
    end a pixel off in a wide lens's corners."""
    focal, middle = camera.k[[0, 1], [0, 1]], camera.k[:2, 2]
    seen = found = (np.asarray(pixels, float) - middle) / focal
    for _ in range(RAY_STEPS):
        there = project(np.eye(4), np.column_stack([found, np.ones(len(found))]), camera)
        found = found + seen - (there - middle) / focal
    return found


def angle(turn: np.ndarray) -> float:
    """Radians of a rotation (3, 3)."""
    return float(np.linalg.norm(cv2.Rodrigues(np.ascontiguousarray(turn))[0]))


def worst(errors: Sequence[float], names: Sequence[str], count: int = 3) -> list[str]:
    """The names of the largest `errors`, with them, largest first."""
    order = np.argsort(errors)[::-1][:count]
    return [f"{names[i]} ({errors[i]:.2f} px)" for i in order]
