"""Poses as (7,) float64 arrays: xyz in metres and a unit quaternion xyzw. `pose` of B in A maps B's points into A."""

import numpy as np
from scipy.spatial.transform import Rotation

IDENTITY = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])


def pose(position, rotation: Rotation | None = None) -> np.ndarray:
    """(7,) from position (3,) and a rotation (none: identity)."""
    quaternion = (0.0, 0.0, 0.0, 1.0) if rotation is None else rotation.as_quat()
    return np.concatenate([np.asarray(position, float), quaternion])


def rotation(p: np.ndarray) -> Rotation:
    """Rotation of the pose (7,)."""
    return Rotation.from_quat(p[3:])


def compose(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pose (7,) of C in A, from `a`, B in A, and `b`, C in B."""
    turn = rotation(a)
    return np.concatenate([a[:3] + turn.apply(b[:3]), (turn * rotation(b)).as_quat()])


def inverse(p: np.ndarray) -> np.ndarray:
    """Pose (7,) of A in B, from `p`, B in A."""
    back = rotation(p).inv()
    return np.concatenate([-back.apply(p[:3]), back.as_quat()])


def transform(p: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 3) given in B, in A; `p` is B in A."""
    points = np.asarray(points, float)
    return rotation(p).apply(points.reshape(-1, 3)).reshape(points.shape) + p[:3]


def matrices(p: np.ndarray) -> np.ndarray:
    """Poses (T, 7) as transforms (T, 4, 4)."""
    out = np.tile(np.eye(4), (len(p), 1, 1))
    out[:, :3, :3], out[:, :3, 3] = Rotation.from_quat(p[:, 3:]).as_matrix(), p[:, :3]
    return out


def angle_between(a: np.ndarray, b: np.ndarray) -> float:
    """Angle in radians between the orientations of two poses (7,)."""
    return float((rotation(a).inv() * rotation(b)).magnitude())
