"""The action space: what the numbers that the head predicts mean (assumed; the paper does not give one).

One group (an arm and its hand), one step: ``[dx, dy, dz, r1..r6, opening...]``.
- translation: target tool position minus the tool's measured position at observation time, metres, base frame;
- rotation: R_reference^T R_target, first two columns (6-D); the reference is the measured orientation;
- opening: absolute hand position in [0, 1] per hand joint (0 closed, 1 open).
"""

from __future__ import annotations

import numpy as np

from vipa_model.processing.rotations import matrix_to_quat, matrix_to_six, quat_to_matrix, six_to_matrix


def encode_actions(poses: np.ndarray, hand: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Poses to actions.

    poses: (..., T, 7) base frame, metres and xyzw. hand: (..., T, Hh) in [0, 1]. reference: (..., 7) tool pose
    at observation time. Returns (..., T, 9 + Hh) float64. Raises ValueError on shapes or a zero quaternion.
    """
    poses, hand, reference = (np.asarray(a, np.float64) for a in (poses, hand, reference))
    _check_shape("poses", poses, 7)
    _check_shape("reference", reference, 7)
    if hand.shape[:-1] != poses.shape[:-1]:
        raise ValueError(
            f"hand has shape {hand.shape}; allowed: {poses.shape[:-1]} + (hand joints,), as poses {poses.shape}"
        )
    base = quat_to_matrix(reference[..., 3:])[..., None, :, :]
    relative = np.swapaxes(base, -1, -2) @ quat_to_matrix(poses[..., 3:])
    return np.concatenate([poses[..., :3] - reference[..., None, :3], matrix_to_six(relative), hand], -1)


def decode_actions(actions: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of ``encode_actions``: actions (..., T, 9 + Hh) and reference (..., 7) to poses (..., T, 7), hand (...,
    T, Hh).

    The 6-D rotation is made orthonormal and the opening clipped to [0, 1], so a network's output is always a pose.
    """
    actions, reference = np.asarray(actions, np.float64), np.asarray(reference, np.float64)
    if actions.shape[-1] < 9:
        raise ValueError(f"actions has shape {actions.shape}; allowed: (..., T, 9 + hand joints)")
    rotation = quat_to_matrix(reference[..., 3:])[..., None, :, :] @ six_to_matrix(actions[..., 3:9])
    position = actions[..., :3] + reference[..., None, :3]
    return np.concatenate([position, matrix_to_quat(rotation)], -1), np.clip(actions[..., 9:], 0.0, 1.0)


def encode_state(
    tool: np.ndarray, velocity: np.ndarray, hand: np.ndarray, joints: np.ndarray | None = None
) -> np.ndarray:
    """One group's proprioception as a vector.

    All measured. tool: (..., 7) pose, base frame. velocity: (..., 3) of the tool, base frame, m/s. hand: (..., Hh)
    opening. joints: (..., n) rad or None. Returns (..., 12 + Hh [+ n]): position, rotation 6-D, velocity, hand, joints.
    """
    tool = np.asarray(tool, np.float64)
    _check_shape("tool_pose", tool, 7)
    if np.shape(velocity)[-1:] != (3,):
        raise ValueError(f"tool_velocity has shape {np.shape(velocity)}; allowed: (..., 3) metres a second")
    parts = [tool[..., :3], matrix_to_six(quat_to_matrix(tool[..., 3:])), velocity, hand]
    return np.concatenate(parts if joints is None else [*parts, joints], -1)


def _check_shape(name: str, array: np.ndarray, last: int) -> None:
    if array.shape[-1:] != (last,):
        raise ValueError(f"{name} has shape {array.shape}; allowed: (..., {last}) position and xyzw quaternion")
