"""Poses as (7,) float64 arrays: xyz in metres and a unit quaternion xyzw. `pose` of B in A maps B's points into A."""

from math import hypot

import numpy as np

from vipa.geometry import rotation

IDENTITY = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])


def pose(position, quaternion=(0.0, 0.0, 0.0, 1.0)) -> np.ndarray:
    """(7,) from position (3,), metres, and a unit quaternion (4,) xyzw."""
    return np.concatenate([np.asarray(position, float), quaternion])


def compose(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pose (7,) of C in A, from `a`, B in A, and `b`, C in B."""
    turn = _turn(a)
    (x, y, z), (dx, dy, dz) = a[:3].tolist(), rotation.rotated(turn, b[:3].tolist())
    return np.array((x + dx, y + dy, z + dz, *rotation.product(turn, _turn(b))))


def inverse(p: np.ndarray) -> np.ndarray:
    """Pose (7,) of A in B, from `p`, B in A."""
    qx, qy, qz, qw = _turn(p)
    back = (-qx, -qy, -qz, qw)
    x, y, z = rotation.rotated(back, p[:3].tolist())
    return np.array((-x, -y, -z, *back))


def directions(p: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) given in B, in A; `p` is B in A."""
    vectors = np.asarray(vectors, float)
    if vectors.ndim == 1:
        return np.array(rotation.rotated(_turn(p), vectors.tolist()))
    return vectors @ rotation.to_matrix(np.array(_turn(p))).T


def transform(p: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 3) given in B, in A; `p` is B in A."""
    return directions(p, points) + p[:3]


def matrices(p: np.ndarray) -> np.ndarray:
    """Poses (T, 7) as transforms (T, 4, 4)."""
    out = np.tile(np.eye(4), (len(p), 1, 1))
    for made, each in zip(out, p):
        made[:3, :3], made[:3, 3] = rotation.to_matrix(np.array(_turn(each))), each[:3]
    return out


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(6,) metres and radians that lead from pose `b` to pose `a`, in the axes of the frame both are given in."""
    ax, ay, az, *turn = a.tolist()
    bx, by, bz, *before = b.tolist()
    return np.array((ax - bx, ay - by, az - bz, *rotation.way(turn, before)))


def moved(p: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The pose that lies `by` (6,) from `p`: `difference(moved(p, by), p)` is `by`."""
    x, y, z, *turn = p.tolist()
    dx, dy, dz, *vector = by.tolist()
    return np.array((x + dx, y + dy, z + dz, *rotation.turn(turn, vector)))


def angle_between(a: np.ndarray, b: np.ndarray) -> float:
    """Angle in radians between the orientations of two poses (7,)."""
    return hypot(*rotation.way(_turn(a), _turn(b)))


def _turn(p: np.ndarray) -> rotation.Floats:
    """The unit quaternion of the pose (7,). Raises ValueError for one of norm 0, which turns nothing."""
    x, y, z, w = p[3:].tolist()
    norm = hypot(x, y, z, w)
    if norm == 0.0:
        raise ValueError("a quaternion of norm 0 is no rotation")
    return x / norm, y / norm, z / norm, w / norm
