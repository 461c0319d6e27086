"""Frames in which an arm near its target is told to move aside or turn a little, or to open or close its hand. They are few in
demonstrations and small beside the ways that lead there, and a grasp succeeds or fails by them."""

from __future__ import annotations

import numpy as np

from vipa_model.processing.action_space import quat_to_matrix, six_to_matrix

NEAR_M = 0.30  # from the tool to the target
ASIDE_M = 0.006, 0.08  # across the tool's z axis, to the chunk's end: less is noise, more is a way
TURN_RAD = 0.05  # likewise, at least
HAND = 0.2  # between a hand joint's opening as commanded and at the chunk's end, 0..1, at least


def corrections(actions: np.ndarray, hand: np.ndarray, tool: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(N,) bool. actions: (N, H, 9 + h) of one group, not normalised. hand: (N, h) as commanded at the frame, 0..1. tool: (N, 7) pose,
    base frame. target: (N, 3) m, base frame, NaN: unknown, no correction."""
    upright = quat_to_matrix(tool[:, 3:])[:, :, 2]
    moved = actions[:, -1, :3].astype(np.float64)
    across = moved - (moved * upright).sum(1, keepdims=True) * upright
    aside = np.linalg.norm(across, axis=1)
    turn = np.arccos(np.clip((np.trace(six_to_matrix(actions[:, -1, 3:9]), axis1=1, axis2=2) - 1) / 2, -1, 1))
    near = np.linalg.norm(target - tool[:, :3], axis=1) < NEAR_M  # False for NaN
    moves_hand = (np.abs(actions[:, -1, 9:] - hand) > HAND).any(1)
    small = aside < ASIDE_M[1]
    return near & small & ((aside > ASIDE_M[0]) | (turn > TURN_RAD) | moves_hand)
