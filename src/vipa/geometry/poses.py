"""Poses as (7,) float64 arrays: xyz in metres and a unit quaternion xyzw. `pose` of B in A maps B's points into A."""

from math import sqrt

import numpy as np
from scipy.spatial.transform import Rotation

from vipa.geometry.rotation import conjugate, difference, multiply, rotate, to_matrix

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
    turn = _turn(a)
    return np.concatenate([a[:3] + rotate(turn, b[:3]), multiply(turn, _turn(b))])


def inverse(p: np.ndarray) -> np.ndarray:
    """Pose (7,) of A in B, from `p`, B in A."""
    back = conjugate(_turn(p))
    return np.concatenate([-rotate(back, p[:3]), back])


def transform(p: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 3) given in B, in A; `p` is B in A."""
    points = np.asarray(points, float)
    if points.ndim == 1:
        return rotate(_turn(p), points) + p[:3]
    return points @ to_matrix(_turn(p)).T + p[:3]


def matrices(p: np.ndarray) -> np.ndarray:
    """Poses (T, 7) as transforms (T, 4, 4)."""
    out = np.tile(np.eye(4), (len(p), 1, 1))
    out[:, :3, :3], out[:, :3, 3] = Rotation.from_quat(p[:, 3:]).as_matrix(), p[:, :3]
    return out


def angle_between(a: np.ndarray, b: np.ndarray) -> float:
    """Angle in radians between the orientations of two poses (7,)."""
    return float(np.linalg.norm(difference(_turn(a), _turn(b))))


def _turn(p: np.ndarray) -> np.ndarray:
    """The unit quaternion (4,) of the pose (7,). Raises ValueError for one of norm 0, which turns nothing."""
    q = p[3:]
    norm = sqrt(float(q @ q))
    if norm == 0.0:
        raise ValueError("a quaternion of norm 0 is no rotation")
    return q / norm
