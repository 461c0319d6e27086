"""Rotations and poses in numpy: xyzw quaternions, matrices, and the continuous 6-D form. Batched over leading axes."""

from __future__ import annotations

import numpy as np


def quat_to_matrix(quat: np.ndarray) -> np.ndarray:
    """Unit-normalise xyzw quaternions (..., 4) and return rotation matrices (..., 3, 3), float64.

    Raises ValueError for a quaternion that is not finite or shorter than 1e-6: it names no rotation.
    """
    quat = np.asarray(quat, np.float64)
    norm = np.linalg.norm(quat, axis=-1, keepdims=True)
    if not np.all(np.isfinite(quat)) or np.any(norm < 1e-6):
        raise ValueError(
            f"quaternion {quat[np.unravel_index(np.argmin(norm), norm.shape)[:-1]]} has no direction; "
            "allowed: finite xyzw of length about 1"
        )
    x, y, z, w = np.moveaxis(quat / norm, -1, 0)
    rows = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - z * w),
        2 * (x * z + y * w),
        2 * (x * y + z * w),
        1 - 2 * (x * x + z * z),
        2 * (y * z - x * w),
        2 * (x * z - y * w),
        2 * (y * z + x * w),
        1 - 2 * (x * x + y * y),
    ]
    return np.stack(rows, -1).reshape(*quat.shape[:-1], 3, 3)


def matrix_to_quat(matrix: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) to unit xyzw quaternions (..., 4) with w >= 0, float64 (Bar-Itzhack
    eigenvector).
    """
    m = np.asarray(matrix, np.float64)
    xx, xy, xz, yx, yy, yz, zx, zy, zz = np.moveaxis(m.reshape(*m.shape[:-2], 9), -1, 0)
    k = (
        np.stack(
            [
                xx - yy - zz,
                yx + xy,
                zx + xz,
                zy - yz,
                yx + xy,
                yy - xx - zz,
                zy + yz,
                xz - zx,
                zx + xz,
                zy + yz,
                zz - xx - yy,
                yx - xy,
                zy - yz,
                xz - zx,
                yx - xy,
                xx + yy + zz,
            ],
            -1,
        ).reshape(*m.shape[:-2], 4, 4)
        / 3
    )
    quat = np.linalg.eigh(k)[1][..., -1]
    return np.where(quat[..., 3:] < 0, -quat, quat)


def matrix_to_six(matrix: np.ndarray) -> np.ndarray:
    """The first two columns of rotation matrices (..., 3, 3), as (..., 6) (Zhou et al. 2019)."""
    return np.concatenate([matrix[..., :, 0], matrix[..., :, 1]], -1)


def six_to_matrix(six: np.ndarray) -> np.ndarray:
    """Gram-Schmidt of (..., 6) to rotation matrices (..., 3, 3), float64. Degenerate input falls back to an axis."""
    six = np.asarray(six, np.float64)
    first = _unit(six[..., :3], np.array([1.0, 0, 0]))
    second = six[..., 3:] - (first * six[..., 3:]).sum(-1, keepdims=True) * first
    spare = np.cross(first, np.array([0, 0, 1.0]) + 0 * first)
    spare = np.where(np.linalg.norm(spare, axis=-1, keepdims=True) < 1e-3, np.array([0, 1.0, 0]), spare)
    second = _unit(second, _unit(spare - (first * spare).sum(-1, keepdims=True) * first, np.array([0, 1.0, 0])))
    return np.stack([first, second, np.cross(first, second)], -1)


def _unit(vector: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(vector, axis=-1, keepdims=True)
    return np.where(norm > 1e-8, vector / np.maximum(norm, 1e-12), otherwise)
