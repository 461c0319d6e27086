"""Stage 0 (ours): the recurrent spatial encoder learns pointmaps and camera poses from simulated depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vipa_model.data.frame_source import FrameSource, fitting_config
from vipa_model.data.frame_store import FrameStore
from vipa_model.data.frames import FrameDataset
from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.processing.images import lift_depth
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.processing.rotations import matrix_to_quat
from vipa_model.processing.tokenization_vipa import ByteTokenizer
from vipa_model.recipes import Recipe


class PointmapSource:
    """Frames with their true pointmaps: in each view's own optical frame and in the base frame."""

    def __init__(self, dataset: FrameDataset, recipe: Recipe) -> None:
        self.dataset, inner = dataset, FrameSource(dataset, recipe)
        self.train, self.held_out = inner.train, inner.held_out

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None) -> dict[str, Tensor]:
        gather = self.dataset.gather
        depth, k, pose = (gather(name, indices) for name in ("depth", "intrinsics", "extrinsics"))
        own, base = (
            lift_depth(depth, k, np.broadcast_to(np.eye(4, dtype=np.float32), pose.shape)),
            lift_depth(depth, k, pose),
        )
        quaternion = matrix_to_quat(pose[..., :3, :3])
        out = {
            "pixels": gather("images", indices),
            "points": np.stack([own[..., :3], base[..., :3]], 2),
            "valid": base[..., 3] > 0,
            "camera_pose": np.concatenate([pose[..., :3, 3], quaternion], -1).astype(np.float32),
        }
        return {key: torch.from_numpy(np.ascontiguousarray(v)) for key, v in out.items()}

    @torch.no_grad()
    def validate(self, model: VipaForActionPrediction, move: Callable[[dict], dict]) -> dict[str, float]:
        """Mean losses on held-out frames; ``distance`` is metres a point."""
        sums: dict[str, float] = {}
        for start in range(0, len(self.held_out), 16):
            indices = self.held_out[start : start + 16]
            for key, value in model(move(self.batch(indices, None))).items():
                sums[key] = sums.get(key, 0.0) + float(value) * len(indices) / len(self.held_out)
        return sums


def prepare_pointmaps(stores: Sequence[FrameStore], recipe: Recipe, start: Path | None, changes: dict):
    """Model, processor and source of stage 0. Raises ValueError unless it is ``recurrent`` at the views' size."""
    from vipa_model.configuration_vipa import changed

    if start is not None:
        model, processor = VipaForActionPrediction.from_pretrained(start), VipaProcessor.from_pretrained(start)
    else:
        config = fitting_config(stores, recipe.size)
        config = changed(
            config, {"spatial.kind": "recurrent", "spatial.image_size": config.vision.image_size} | changes
        )
        torch.manual_seed(recipe.seed)
        model = VipaForActionPrediction(config)
        texts = [text for s in stores for text in s.instructions]
        processor = VipaProcessor(config, ByteTokenizer.train(texts, config.text.vocab), stores[0].crops)
    spatial, size = model.config.spatial, model.config.vision.image_size
    if spatial.kind != "recurrent" or spatial.image_size != size:
        raise ValueError(
            f"stage 0 with spatial.kind {spatial.kind!r}, spatial.image_size {spatial.image_size}; "
            f"allowed: 'recurrent', {size}"
        )
    return model, processor, PointmapSource(FrameDataset(stores, model.config, processor), recipe)
