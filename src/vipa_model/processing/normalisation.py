"""Normalisation of states and actions, by mean and standard deviation or by quantiles; kept in the processor's JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

KINDS = ("meanstd", "quantile")


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
    def from_dict(cls, data: dict, shapes: Sequence[tuple[int, ...]] | None = None) -> Statistics:
        """Inverse of ``to_dict``. shapes: those that offset and scale may have, both the same. Raises ValueError for other
        shapes, numbers that are not finite, a scale that is not above 0, and another kind."""
        if not isinstance(data, dict) or set(data) != {"kind", "offset", "scale"} or data["kind"] not in KINDS:
            raise ValueError(f"want kind ({' or '.join(KINDS)}), offset and scale; found {str(data)[:80]}")
        try:
            offset, scale = (np.asarray(data[k], np.float64) for k in ("offset", "scale"))
        except (ValueError, TypeError):
            raise ValueError("offset or scale is no array of numbers") from None
        if offset.shape != scale.shape or (shapes is not None and offset.shape not in shapes):
            allowed = " or ".join(map(str, shapes)) if shapes else "one shape"
            raise ValueError(f"offset has shape {offset.shape}, scale {scale.shape}; allowed: {allowed} for both")
        if not (np.isfinite(offset).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError(
                "offset or scale holds NaN, infinity or a scale of 0 or less; allowed: finite, scale above 0"
            )
        return cls(offset, scale, data["kind"])
