"""Rotations of the control path: unit quaternions xyzw and rotation vectors, float64, one at a time or stacked.

scipy's Rotation gives the same numbers (test_rotation) at ten to thirty times the cost for a single rotation.
"""

from collections.abc import Iterable, Sequence
from math import atan2, cos, sin, sqrt

import numpy as np

Floats = tuple[float, ...]  # plain floats: a handful of them is worked out in a third of the time that an array takes


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rotation b followed by a: quaternions (4,) xyzw."""
    return np.array(product(a.tolist(), b.tolist()))


def conjugate(q: np.ndarray) -> np.ndarray:
    """The inverse of the unit quaternion q (4,)."""
    return np.array([-q[0], -q[1], -q[2], q[3]])


def rotate(q: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """The vector (3,) turned by the unit quaternion q (4,)."""
    return np.array(rotated(q.tolist(), map(float, vector)))


def exp(vector: Sequence[float]) -> np.ndarray:
    """The quaternion (4,) of the rotation vector (3,), radians."""
    return np.array(_exp(*map(float, vector)))


def from_rpy(rpy) -> np.ndarray:
    """The quaternion (4,) of turns by roll, pitch and yaw (3,), radians, about the fixed axes x, y, z, in this order, as in URDF."""
    roll, pitch, yaw = (exp(angle * axis) for angle, axis in zip(rpy, np.eye(3), strict=True))
    return multiply(yaw, multiply(pitch, roll))


def log(q: np.ndarray) -> np.ndarray:
    """The rotation vector (3,) of the unit quaternion q (4,), the shorter way round: its norm is at most pi."""
    return np.array(_log(*q.tolist()))


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rotation vector (3,) that leads from b to a in the axes both are given in: a = exp(difference(a, b)) b."""
    return np.array(way(a.tolist(), b.tolist()))


def normalised(q: np.ndarray) -> np.ndarray:
    """q (4,) at norm 1."""
    return q / sqrt(float(q @ q))


def from_matrix(r: np.ndarray) -> np.ndarray:
    """The quaternion (4,) with w >= 0 of the rotation matrix (3, 3). Shepperd's method: divides by the largest term."""
    rows = r.tolist()
    trace = rows[0][0] + rows[1][1] + rows[2][2]
    terms = (rows[0][0], rows[1][1], rows[2][2], trace)
    i = max(range(4), key=terms.__getitem__)
    q = np.empty(4)
    if i == 3:
        q[:] = rows[2][1] - rows[1][2], rows[0][2] - rows[2][0], rows[1][0] - rows[0][1], 1 + trace
    else:
        j, k = (i + 1) % 3, (i + 2) % 3
        q[i] = 1 + 2 * rows[i][i] - trace
        q[j] = rows[j][i] + rows[i][j]
        q[k] = rows[k][i] + rows[i][k]
        q[3] = rows[k][j] - rows[j][k]
    q = normalised(q)
    return -q if q[3] < 0 else q


def to_matrix(q: np.ndarray) -> np.ndarray:
    """The rotation matrix (3, 3) of the unit quaternion q (4,)."""
    x, y, z, w = q.tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


# the same of plain floats


def way(a: Sequence[float], b: Sequence[float]) -> Floats:
    """`difference` of two quaternions."""
    x, y, z, w = b
    return _log(*product(a, (-x, -y, -z, w)))


def turn(q: Sequence[float], vector: Sequence[float]) -> Floats:
    """exp(vector) q at norm 1: a quaternion turned by a rotation vector, radians."""
    x, y, z, w = product(_exp(*vector), q)
    norm = sqrt(x * x + y * y + z * z + w * w)
    return x / norm, y / norm, z / norm, w / norm


def rotated(q: Sequence[float], vector: Iterable[float]) -> Floats:
    """`rotate` of a quaternion and a vector."""
    x, y, z, w = q
    a, b, c = vector
    tx, ty, tz = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return a + w * tx + y * tz - z * ty, b + w * ty + z * tx - x * tz, c + w * tz + x * ty - y * tx


def product(a: Sequence[float], b: Sequence[float]) -> Floats:
    """`multiply` of two quaternions."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _exp(x: float, y: float, z: float) -> Floats:
    angle = sqrt(x * x + y * y + z * z)
    s = 0.5 - angle * angle / 48 if angle < 1e-4 else sin(angle / 2) / angle
    return s * x, s * y, s * z, cos(angle / 2)


def _log(x: float, y: float, z: float, w: float) -> Floats:
    if w < 0:  # q and -q are one rotation
        x, y, z, w = -x, -y, -z, -w
    n = sqrt(x * x + y * y + z * z)
    s = 2 / w if n < 1e-9 else 2 * atan2(n, w) / n
    return s * x, s * y, s * z
