"""Motion tokens: wrist positions as words of the language model (paper section 3.2, supplement C)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class MotionTokenizer:
    """A wrist point (x, y, z), metres in the camera's optical frame, as three of 3 x K tokens.

    bins: K = 1024 uniform bins an axis; x and y clipped to [-0.5, 0.5], z to [0, 1] (supplement C).
    first: id of the first motion token in the vocabulary. Each axis has K tokens of its own (assumed):
    id = first + axis * K + bin.
    """

    first: int
    bins: int = 1024
    low: tuple[float, float, float] = (-0.5, -0.5, 0.0)
    high: tuple[float, float, float] = (0.5, 0.5, 1.0)

    @property
    def size(self) -> int:
        """Tokens added to the vocabulary: 3 K."""
        return 3 * self.bins

    def encode(self, points: np.ndarray) -> np.ndarray:
        """points (T, 3) metres to ids (3 T,) int64 in the order x1 y1 z1 x2 y2 z2 ... Raises ValueError on shape or
        NaN.
        """
        points = np.asarray(points, np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or not np.all(np.isfinite(points)):
            raise ValueError(f"points have shape {points.shape}; allowed: (T, 3) finite metres in the camera frame")
        unit = (np.clip(points, self.low, self.high) - self.low) / np.subtract(self.high, self.low)
        index = np.minimum((unit * self.bins).astype(np.int64), self.bins - 1)
        return (self.first + np.arange(3) * self.bins + index).reshape(-1)

    def decode(self, ids: np.ndarray) -> np.ndarray:
        """ids (3 T,) to the bins' centres (T, 3) float64 metres. Raises ValueError when the sequence is not whole
        triplets in the order x, y, z."""
        ids = np.asarray(ids, np.int64)
        if ids.ndim != 1 or len(ids) % 3:
            raise ValueError(f"{ids.size} motion tokens are not whole (x, y, z) triplets")
        index = ids.reshape(-1, 3) - self.first - np.arange(3) * self.bins
        if np.any((index < 0) | (index >= self.bins)):
            row, axis = np.argwhere((index < 0) | (index >= self.bins))[0]
            start = self.first + axis * self.bins
            raise ValueError(
                f"motion token {ids[3 * row + axis]} at place {3 * row + axis} is not on axis {'xyz'[axis]}; "
                f"allowed: {start} to {start + self.bins - 1}"
            )
        return np.asarray(self.low) + (index + 0.5) / self.bins * np.subtract(self.high, self.low)

    def axis(self, token: int) -> int:
        """Which axis a motion token is of: 0, 1 or 2; another number for an id that is none."""
        return (token - self.first) // self.bins

    def words(self) -> list[str]:
        """The tokens' texts, in id order: ``<motion_x_0>`` ... ``<motion_z_1023>``."""
        return [f"<motion_{axis}_{i}>" for axis in "xyz" for i in range(self.bins)]
