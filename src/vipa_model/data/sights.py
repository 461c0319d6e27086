"""Where in the pictures a point is seen."""

from __future__ import annotations

import numpy as np

NEAR = 0.06  # m: so much farther than the depth at its pixel a point may be and still count as seen, as it lies within its thing


def sights(points: np.ndarray, depth: np.ndarray, intrinsics: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """(B, I, V, 2) float32: x and y of each point in each view, pixels from the picture's left upper corner; NaN: not seen there.

    points (B, I, 3) m, base frame, NaN: unknown; depth (B, V, h, w) uint16 mm, 0: none; intrinsics (B, V, 3, 3) pixels, of their
    middles; poses (B, V, 4, 4) of the cameras in the base frame. A point behind something, or outside a view, is not seen there.
    """
    height, width = depth.shape[2:]
    known = np.isfinite(points).all(-1)
    away = np.where(known[..., None], points, 0)[:, :, None] - poses[:, None, :, :3, 3]
    local = np.einsum("bvij,bkvi->bkvj", poses[..., :3, :3], away)
    far = local[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixel = np.einsum("bvij,bkvj->bkvi", intrinsics, local / far[..., None])[..., :2] + 0.5
    inside = known[..., None] & (far > 0) & (pixel >= 0).all(-1) & (pixel < (width, height)).all(-1)
    b, k, v = np.nonzero(inside)
    x, y = pixel[b, k, v].astype(int).T
    measured = depth[b, v, y, x] / 1000
    inside[b, k, v] = (measured == 0) | (far[b, k, v] < measured + NEAR)
    return np.where(inside[..., None], pixel, np.nan).astype(np.float32)
