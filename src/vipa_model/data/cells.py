"""Which image tokens show a point."""

from __future__ import annotations

import numpy as np

NEAR = 0.06  # m: so much farther than the depth at its pixel a point may be and still count as seen, as it lies within its thing


def seen_cells(
    points: np.ndarray, depth: np.ndarray, intrinsics: np.ndarray, poses: np.ndarray, side: int
) -> np.ndarray:
    """(B, I, V * side^2) bool: which of each view's side x side tokens show which points.

    points (B, I, 3) m, base frame, NaN: unknown; depth (B, V, h, w) uint16 mm, 0: none; intrinsics (B, V, 3, 3) pixels; poses
    (B, V, 4, 4) of the cameras in the base frame. A point behind something, or outside a view, is not seen there.
    """
    batch, views, height, width = depth.shape
    out = np.zeros((batch, points.shape[1], views, side, side), bool)
    known = np.isfinite(points).all(-1)
    local = np.einsum("bvij,bkj->bkvi", np.linalg.inv(poses), _homogeneous(np.where(known[..., None], points, 0)))[
        ..., :3
    ]
    far = local[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixel = np.einsum("bvij,bkvj->bkvi", intrinsics, local / far[..., None])[..., :2] + 0.5
    inside = known[..., None] & (far > 0) & (pixel >= 0).all(-1) & (pixel < (width, height)).all(-1)
    b, k, v = np.nonzero(inside)
    x, y = pixel[b, k, v].astype(int).T
    measured = depth[b, v, y, x] / 1000
    seen = (measured == 0) | (far[b, k, v] < measured + NEAR)
    out[b, k, v, y * side // height, x * side // width] = seen
    return out.reshape(batch, points.shape[1], -1)


def _homogeneous(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, np.ones_like(points[..., :1])], -1)
