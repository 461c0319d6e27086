"""Metric scale of estimated depth, from joints whose depth is known: the paper's s = median(joint depth / estimated depth)."""

import numpy as np


def calibration_scale(joints: np.ndarray, estimated: np.ndarray, intrinsics: np.ndarray) -> float | None:
    """The factor that makes `estimated` metres; None if no joint is seen where depth was estimated.

    Args:
        joints: (J, 3) metres in the camera's frame; NaN where they are not known.
        estimated: (H, W) depth of any unit, as a point map's z; what is not above 0 or not finite says nothing.
        intrinsics: (3, 3) of pictures of that size.
    """
    joints = np.asarray(joints, float).reshape(-1, 3)
    joints = joints[np.isfinite(joints).all(axis=1) & (joints[:, 2] > 0)]
    pixels = joints @ np.asarray(intrinsics, float).T
    u, v = (np.floor(pixels[:, i] / pixels[:, 2]).astype(int) for i in (0, 1))
    height, width = estimated.shape
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    there = np.asarray(estimated, float)[v[inside], u[inside]]
    known = np.isfinite(there) & (there > 0)
    if not known.any():
        return None
    return float(np.median(joints[inside][known, 2] / there[known]))


def metric_depth(estimated: np.ndarray, scale: float) -> np.ndarray:
    """Estimated depth (H, W) as uint16 millimetres; 0 where nothing is known or it is beyond 65 m."""
    depth = np.nan_to_num(np.asarray(estimated, float), nan=0.0, posinf=0.0, neginf=0.0) * scale * 1000.0
    return np.where((depth > 0) & (depth < 65535), np.round(depth), 0).astype(np.uint16)
