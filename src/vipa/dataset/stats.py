"""Statistics of features, as LeRobot v3.0 keeps them: min max mean std count and quantiles. NaN is left out of all."""

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
FINITE = "finite"  # how many values stand behind the others, an element; kept with episodes, not in stats.json


def vector_stats(values: np.ndarray) -> dict[str, np.ndarray]:
    """Of (T, n) numbers: (n,) float64 each, count (1,). An element without a finite value has zeros."""
    values = np.asarray(values, np.float64)
    finite = np.isfinite(values).sum(axis=0)
    known = np.where(np.isfinite(values), values, np.nan)
    known[:, finite == 0] = 0.0
    stats = {
        "min": np.nanmin(known, axis=0),
        "max": np.nanmax(known, axis=0),
        "mean": np.nanmean(known, axis=0),
        "std": np.nanstd(known, axis=0),
        "count": np.array([len(values)]),
    }
    quantiles = np.nanquantile(known, list(QUANTILES.values()), axis=0)
    return stats | dict(zip(QUANTILES, quantiles, strict=True)) | {FINITE: finite}


class ImageStats:
    """Statistics by channel over the pictures of an episode, from every eighth pixel of each; memory does not grow.

    Colour: 0..1 for the range of uint8. Depth: millimetres, 0 where nothing was measured, as LeRobot counts it.
    """

    def __init__(self, depth: bool = False):
        self.depth, self.frames = depth, 0
        self._counts = np.zeros((1 if depth else 3, 65536 if depth else 256), np.int64)

    def add(self, image: np.ndarray) -> None:
        """(H, W, 3) uint8, or (H, W) uint16 for depth."""
        pixels = image[::8, ::8].reshape(-1, len(self._counts))
        for channel, counts in enumerate(self._counts):
            counts += np.bincount(pixels[:, channel], minlength=len(counts))
        self.frames += 1

    def result(self) -> dict[str, np.ndarray]:
        """(C, 1, 1) float64 each; count: pictures."""
        parts = [self._of(counts) for counts in self._counts]
        stats = {kind: np.array([p[kind] for p in parts]).reshape(-1, 1, 1) for kind in parts[0]}
        return stats | {"count": np.array([self.frames])}

    def _of(self, counts: np.ndarray) -> dict[str, float]:
        total, scale = counts.sum(), 1.0 if self.depth else 255.0
        there = np.flatnonzero(counts)
        values, weights, before = there / scale, counts[there], np.cumsum(counts[there])
        mean = float(values @ weights / total)
        found = {"min": values[0], "max": values[-1], "mean": mean}
        found["std"] = float(np.sqrt(((values - mean) ** 2) @ weights / total))
        for name, part in QUANTILES.items():
            place = part * (total - 1)
            low, high = (values[np.searchsorted(before, n, side="right")] for n in (np.floor(place), np.ceil(place)))
            found[name] = low + (high - low) * (place % 1)
        return found | {FINITE: total}


def aggregate(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Of one feature over episodes. Mean and std are those of all values; quantiles are means of the episodes' quantiles,
    weighted by how many values each has, as LeRobot's own aggregate is."""
    stacked = {key: np.stack([np.asarray(p[key], np.float64) for p in parts]) for key in parts[0]}
    weight = stacked.pop(FINITE)
    known = weight > 0
    total = weight.sum(axis=0)
    share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    mean = (stacked["mean"] * share).sum(axis=0)
    variance = ((stacked["std"] ** 2 + (stacked["mean"] - mean) ** 2) * share).sum(axis=0)
    out = {
        "min": np.where(total > 0, np.where(known, stacked["min"], np.inf).min(axis=0), 0.0),
        "max": np.where(total > 0, np.where(known, stacked["max"], -np.inf).max(axis=0), 0.0),
        "mean": mean,
        "std": np.sqrt(variance),
        "count": stacked["count"].sum(axis=0).astype(np.int64),
    }
    return out | {q: (stacked[q] * share).sum(axis=0) for q in QUANTILES}
