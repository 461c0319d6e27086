"""Normalisation of states and actions, by mean and standard deviation or by quantiles; kept in the processor's JSON."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Statistics:
    """x_normalised = (x - offset) / scale, elementwise with broadcasting.

    kind: ``meanstd`` (offset mean, scale standard deviation) or ``quantile`` (the 1 % and 99 % quantiles map to -1 and
    1).
    offset, scale: (D,) or, for actions, (H, D): a chunk's late steps spread wider than its first ones.
    """

    offset: np.ndarray
    scale: np.ndarray
    kind: str = "meanstd"

    @classmethod
    def fit(cls, samples: np.ndarray, floor: np.ndarray, kind: str = "meanstd") -> Statistics:
        """Fit over axis 0 of ``samples`` (N, ...). ``floor`` (D,): least scale per dimension, so that a dimension that
        hardly moves is not blown up into noise. Raises ValueError for an unknown kind or non-finite samples."""
        if not np.all(np.isfinite(samples)):
            raise ValueError("statistics: samples hold NaN or infinity; allowed: finite numbers")
        if kind == "meanstd":
            offset, scale = samples.mean(0), samples.std(0)
        elif kind == "quantile":
            low, high = np.quantile(samples, [0.01, 0.99], axis=0)
            offset, scale = (low + high) / 2, (high - low) / 2
        else:
            raise ValueError(f"statistics kind is {kind!r}; allowed: 'meanstd', 'quantile'")
        return cls(offset, np.maximum(scale, floor), kind)

    @classmethod
    def identity(cls, dim: int) -> Statistics:
        return cls(np.zeros(dim), np.ones(dim), "meanstd")

    def normalise(self, x: np.ndarray) -> np.ndarray:
        return (x - self.offset) / self.scale

    def denormalise(self, x: np.ndarray) -> np.ndarray:
        return x * self.scale + self.offset

    def to_dict(self) -> dict:
        return {"kind": self.kind, "offset": self.offset.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_dict(cls, data: dict) -> Statistics:
        return cls(np.asarray(data["offset"], np.float64), np.asarray(data["scale"], np.float64), data["kind"])
