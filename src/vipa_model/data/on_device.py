"""A source's samples in the device's memory: read once, then gathered and augmented there, so that a small model trains as fast as it
computes. Batches have one length, as a compiled step wants them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from vipa_model.recipes import Augmentation

CHUNK = 64  # samples read at a time
VARIANTS = 4  # of a sample whose text is drawn anew at each reading
PADDING = {"labels": -100, "vector": float("nan")}  # others: 0
IMAGES = ("pixels", "pointmap", "features")
GREY = (0.299, 0.587, 0.114)


class OnDevice:
    """Wraps a Source (see training.loop). What it reads is not augmented; pictures are, on the device, in the recipe's way but for
    shifts, which are whole cells of the pointmap."""

    def __init__(self, source, device: torch.device, pad: int, stride: int) -> None:
        """pad: id that fills texts. stride: pixels a point of the pointmap stands for."""
        self.source, self.device, self.stride = source, device, stride
        self.train, self.held_out, self.augmentation = source.train, source.held_out, source.recipe.augmentation
        self.row = np.full(int(self.train.max()) + 1, -1)
        self.row[self.train] = np.arange(len(self.train))
        source.recipe = source.recipe.changed(augmentation=None)
        parts = [
            source.batch(self.train[i : i + CHUNK], np.random.default_rng((variant, i)))
            for variant in range(VARIANTS if hasattr(source, "groups") else 1)
            for i in range(0, len(self.train), CHUNK)
        ]
        self.variants = sum(len(p["input_ids"]) for p in parts) // len(self.train)
        self.arrays = {key: self._joined(key, parts, pad) for key in parts[0]}

    def _joined(self, key: str, parts: list[dict[str, Tensor]], pad: int) -> Tensor:
        tensors = [p[key] for p in parts]
        if key in IMAGES:  # the same in every variant
            return torch.cat(tensors)[: len(self.train)].to(self.device)
        if key in ("input_ids", "attention_mask", "turns", "labels", "vector"):
            fill, longest = pad if key == "input_ids" else PADDING.get(key, 0), max(t.shape[1] for t in tensors)
            tensors = [
                torch.cat([t, t.new_full((len(t), longest - t.shape[1], *t.shape[2:]), fill)], 1) for t in tensors
            ]
        return torch.cat(tensors).to(self.device)

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None) -> dict[str, Tensor]:
        """The samples ``indices`` of ``train``, augmented with ``rng``; others, or without it, as the source gives them."""
        if rng is None:
            return self.source.batch(indices, None)
        rows = self.row[indices]
        texts = rows + len(self.train) * rng.integers(self.variants, size=len(rows))
        at = {True: torch.from_numpy(rows).to(self.device), False: torch.from_numpy(texts).to(self.device)}
        out = {key: value[at[key in IMAGES]] for key, value in self.arrays.items()}
        return out if self.augmentation is None else self._augmented(out, self.augmentation, rng)

    def validate(self, model, move: Callable[[dict], dict]) -> dict[str, float]:
        """The source's own measures."""
        return self.source.validate(model, move)

    def _augmented(self, batch: dict[str, Tensor], how: Augmentation, rng: np.random.Generator) -> dict[str, Tensor]:
        pixels = batch["pixels"]
        count, views, size = pixels.shape[:3]
        cells = how.shift // self.stride
        shifts = rng.integers(-cells, cells + 1, (count, views, 2))
        contrast = 1 + rng.uniform(-how.contrast, how.contrast, (count, views))
        brightness = 128 * (1 - contrast) + 255 * rng.uniform(-how.brightness, how.brightness, (count, views))
        saturation = 1 + rng.uniform(-how.colour, how.colour, (count, views, 1, 1))
        gain = np.exp(rng.normal(0, how.colour / 4, (count, views, 3, 1)))
        mix = self._to(gain * (saturation * np.eye(3) + (1 - saturation) * np.tile(GREY, (3, 1))))
        seen = self._shifted(pixels, shifts * self.stride, size).float()
        seen = (seen * self._to(contrast)[..., None, None, None] + self._to(brightness)[..., None, None, None]).clamp(
            0, 255
        )
        seen = torch.einsum("bvij,bvhwj->bvhwi", mix, seen.floor()).clamp(0, 255)
        out = batch | {"pixels": seen.round().to(torch.uint8)}
        if "sight" in batch:
            out["sight"] = batch["sight"] + self._to(shifts * self.stride)[:, None]
        if "pointmap" in batch:
            points = self._shifted(batch["pointmap"], shifts, batch["pointmap"].shape[2], outside=0.0)
            kept = self._to(rng.random((count, views)) >= how.depth_dropout)
            out["pointmap"] = points * kept[..., None, None, None]
        return out

    def _shifted(self, images: Tensor, shifts: np.ndarray, size: int, outside: float | None = None) -> Tensor:
        """images (B, V, size, size, C) moved by ``shifts`` (B, V, 2), x and y; the edge goes on, or ``outside`` stands there."""
        moved = self._to(shifts).long()
        line = torch.arange(size, device=self.device)
        columns, rows = (line - moved[..., i, None] for i in (0, 1))  # (B, V, size)
        inside = ((columns >= 0) & (columns < size))[:, :, None] & ((rows >= 0) & (rows < size))[..., None]
        columns, rows = columns.clamp(0, size - 1), rows.clamp(0, size - 1)
        b = torch.arange(images.shape[0], device=self.device)[:, None, None, None]
        v = torch.arange(images.shape[1], device=self.device)[None, :, None, None]
        out = images[b, v, rows[..., None], columns[:, :, None]]
        return out if outside is None else torch.where(inside[..., None], out, outside)

    def _to(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(array, np.float32)).to(self.device)
