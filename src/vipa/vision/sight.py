"""One capture of a depth camera, as points in the world and as what hides what."""

from dataclasses import dataclass

import numpy as np

from vipa.robot.state import CameraFrame

TOLERANCE_M = 0.012  # metres by which a surface may be off where it is expected, at a metre; more further away
GROWTH = 0.008  # metres more a square metre of distance: a stereo camera's noise


@dataclass(frozen=True)
class Judgement:
    """What was judged. value: None: it cannot be seen. words: the value with its unit, or why it cannot be seen."""

    value: float | None
    words: str


class Sight:
    """points: (H, W, 3) metres in the world; valid: (H, W) bool, there is a depth; color: (H, W, 3) uint8."""

    def __init__(self, frame: CameraFrame):
        self.frame, self.color = frame, frame.color
        self._from_world = np.linalg.inv(frame.extrinsics)
        height, width = frame.depth.shape
        k, z = frame.intrinsics, frame.depth / 1000.0
        u, v = np.arange(width)[None], np.arange(height)[:, None]
        local = np.stack([(u - k[0, 2]) / k[0, 0] * z, (v - k[1, 2]) / k[1, 1] * z, z], axis=-1)
        self.points = local @ frame.extrinsics[:3, :3].T + frame.extrinsics[:3, 3]
        self.valid = frame.depth > 0

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (N, 2) as u, v and distances (N,) along the optical axis, metres, of points (N, 3) in the world."""
        local = points @ self._from_world[:3, :3].T + self._from_world[:3, 3]
        z = local[:, 2]
        ahead = np.maximum(z, 1e-6)
        k = self.frame.intrinsics
        return np.stack([k[0, 0] * local[:, 0] / ahead + k[0, 2], k[1, 1] * local[:, 1] / ahead + k[1, 2]], axis=1), z

    def seen(self, points: np.ndarray) -> np.ndarray:
        """(N,) bool: whether a surface is seen at the points (N, 3): nothing stands before it, and it is there."""
        pixels, z = self.project(points)
        height, width = self.frame.depth.shape
        u, v = np.rint(pixels).astype(int).T
        inside = (z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        measured = np.zeros(len(points))
        measured[inside] = self.frame.depth[v[inside], u[inside]] / 1000.0
        return inside & (measured > 0) & (np.abs(measured - z) < TOLERANCE_M + GROWTH * z * z)
