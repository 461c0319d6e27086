"""From camera frames to the model's square views: crop, resize, depth without mixing edges, intrinsics that stay
true.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass
class Crop:
    """A rectangle as fractions of the image, so that it holds for any resolution of one camera.

    left, top, right, bottom in [0, 1]. The whole image by default.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise ValueError(f"crop is {self}; allowed: 0 <= left < right <= 1 and 0 <= top < bottom <= 1")

    def pixels(self, height: int, width: int) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) in pixels of an image (height, width)."""
        return (
            round(self.left * width),
            round(self.top * height),
            round(self.right * width),
            round(self.bottom * height),
        )


def make_view(
    image: np.ndarray, depth: np.ndarray | None, intrinsics: np.ndarray, size: int, crop: Crop | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Crop and resize one camera's frame to the model's square view.

    image: (H, W, 3) uint8 RGB. depth: (H, W) uint16 mm aligned to it, or None (missing). intrinsics: (3, 3) pixels.
    Returns image (size, size, 3) uint8, depth (size, size) uint16 mm (0 = no reading), intrinsics (3, 3) float64 of the
    view. Depth is sampled, never averaged: a mean across an edge is a point in empty air. Raises ValueError on shape
    or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image has shape {image.shape} and type {image.dtype}; allowed: (H, W, 3) uint8 RGB")
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (crop or Crop()).pixels(height, width)
    view = image[y0:y1, x0:x1]
    if view.shape[:2] != (size, size):
        shrinks = view.shape[0] >= size and view.shape[1] >= size
        view = cv2.resize(view, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if depth is None:
        small = np.zeros((size, size), np.uint16)
    else:
        if depth.shape != (height, width) or depth.dtype != np.uint16:
            raise ValueError(
                f"depth has shape {depth.shape} and type {depth.dtype}; allowed: {(height, width)} uint16 mm, "
                "aligned to the colour image"
            )
        rows = y0 + ((np.arange(size) + 0.5) * (y1 - y0) / size).astype(int)
        cols = x0 + ((np.arange(size) + 0.5) * (x1 - x0) / size).astype(int)
        small = depth[rows[:, None], cols[None, :]]
    return view, small, crop_intrinsics(intrinsics, (x0, y0, x1, y1), size)


def crop_intrinsics(intrinsics: np.ndarray, box: tuple[int, int, int, int], size: int) -> np.ndarray:
    """Pinhole matrix (3, 3) of a crop ``box`` (x0, y0, x1, y1) resized to ``size``; pixel centres at integers."""
    x0, y0, x1, y1 = box
    sx, sy = size / (x1 - x0), size / (y1 - y0)
    k = np.array(intrinsics, np.float64)
    if k.shape != (3, 3) or k[0, 0] <= 0 or k[1, 1] <= 0:
        raise ValueError(
            f"intrinsics are {k.tolist()}; allowed: a 3x3 pinhole matrix with positive focal lengths, pixels"
        )
    k[0, 2] = (k[0, 2] - x0 + 0.5) * sx - 0.5
    k[1, 2] = (k[1, 2] - y0 + 0.5) * sy - 0.5
    k[0, :2] *= sx
    k[1, :2] *= sy
    return k


def lift_depth(depth: np.ndarray, intrinsics: np.ndarray, extrinsics: np.ndarray, stride: int = 1) -> np.ndarray:
    """Depth images to points in the base frame.

    depth: (..., h, w) uint16 mm, 0 = no reading. intrinsics: (..., 3, 3) of that image, pixels. extrinsics: (..., 4, 4)
    base from optical. stride: one point for each stride x stride block, read at its centre.
    Returns (..., h/stride, w/stride, 4) float32: x, y, z in metres in the base frame and validity (1 or 0); invalid
    points are zero throughout. A view whose extrinsics are not finite counts as missing depth.
    """
    offset = stride // 2
    z = depth[..., offset::stride, offset::stride].astype(np.float32) * np.float32(1e-3)
    k, t = np.asarray(intrinsics, np.float32), np.asarray(extrinsics, np.float32)
    known = np.isfinite(t).all((-1, -2)) & np.isfinite(k).all((-1, -2))
    t, k = (
        np.where(known[..., None, None], t, np.eye(4, dtype=np.float32)),
        np.where(known[..., None, None], k, np.eye(3, dtype=np.float32)),
    )
    cols = np.arange(offset, depth.shape[-1], stride, dtype=np.float32)
    rows = np.arange(offset, depth.shape[-2], stride, dtype=np.float32)
    x = (cols - k[..., 0, 2, None]) / k[..., 0, 0, None]
    y = (rows - k[..., 1, 2, None]) / k[..., 1, 1, None]
    x, y = z * x[..., None, :], z * y[..., :, None]
    valid = (z > 0) & known[..., None, None]
    out = np.empty((*z.shape, 4), np.float32)
    for i in range(3):
        r = t[..., i, :, None, None]
        out[..., i] = x * r[..., 0, :, :] + y * r[..., 1, :, :] + z * r[..., 2, :, :] + r[..., 3, :, :]
    out[..., 3] = valid
    out[~valid] = 0.0
    return out
