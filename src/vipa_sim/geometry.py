"""Rotations and poses as this package writes them: MuJoCo's quaternions are wxyz, everyone else's here xyzw."""

import numpy as np

# A MuJoCo camera looks along -z with y up; an optical frame along +z with y down
OPTICAL_FROM_MUJOCO = np.diag([1.0, -1.0, -1.0])


def rpy_matrix(rpy) -> np.ndarray:
    """Rotation (3, 3) of fixed-axis roll, pitch, yaw (3,) radians, as URDF means them."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def matrix_quat(matrix: np.ndarray) -> np.ndarray:
    """Quaternion wxyz (4,), w >= 0, of a rotation (3, 3)."""
    m = np.asarray(matrix, dtype=float)
    candidates = np.array([m.trace(), m[0, 0], m[1, 1], m[2, 2]])
    i = int(np.argmax(candidates))
    if i == 0:
        quat = np.array([1 + m.trace(), m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    else:
        a, b, c = i - 1, i % 3, (i + 1) % 3
        quat = np.empty(4)
        quat[0] = m[c, b] - m[b, c]
        quat[1 + a] = 1 + m[a, a] - m[b, b] - m[c, c]
        quat[1 + b] = m[a, b] + m[b, a]
        quat[1 + c] = m[a, c] + m[c, a]
    quat /= np.linalg.norm(quat)
    return quat if quat[0] >= 0 else -quat


def yaw_quat(yaw: float) -> np.ndarray:
    """Quaternion wxyz (4,) of a turn about z."""
    return np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])


def pose(position: np.ndarray, quat_wxyz: np.ndarray) -> np.ndarray:
    """(7,) xyz + xyzw from a position (3,) and a quaternion wxyz (4,)."""
    return np.concatenate([position, quat_wxyz[1:], quat_wxyz[:1]])


def camera_quat(rpy) -> np.ndarray:
    """Quaternion wxyz of a MuJoCo camera whose optical frame has orientation `rpy` in its parent."""
    return matrix_quat(rpy_matrix(rpy) @ OPTICAL_FROM_MUJOCO)


def intrinsics(width: int, height: int, vertical_fov: float) -> np.ndarray:
    """K (3, 3) of a pinhole camera: square pixels, integer pixel coordinates at pixel centres. vertical_fov in degrees."""
    focal = height / 2 / np.tan(np.radians(vertical_fov) / 2)
    return np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
