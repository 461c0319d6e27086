"""A model small enough for a test: 32 px, one token layer of each kind."""

from __future__ import annotations

import numpy as np

from vipa_model.configuration_vipa import FusionConfig, HeadConfig, SpatialConfig, TextConfig, VipaConfig, VisionConfig


def tiny_config(kind: str = "pointmap", **changes) -> VipaConfig:
    return VipaConfig.xs(
        **{
            "vision": VisionConfig(kind="conv", image_size=32, width=16, stem=[8, 8]),
            "text": TextConfig(
                vocab=300, width=32, layers=2, heads=2, kv_heads=1, head_dim=16, mlp=48, max_tokens=20, image_token=258
            ),
            "spatial": SpatialConfig(
                kind=kind, width=16, image_size=32, patch=16, encoder_width=16, encoder_layers=1, encoder_heads=2,
                decoder_layers=2, decoder_heads=2, state_tokens=4, stride=4, point_patch=4, frequencies=3,
            ),
            "fusion": FusionConfig(width=16, heads=2, dropout=0.0),
            "head": HeadConfig(queries=4, width=32, layers=2, heads=2, mlp=48, horizon=8, max_prefix=3),
        }
        | changes
    )  # fmt: skip


def random_batch(config: VipaConfig, count: int = 3, views: int = 2, seed: int = 0) -> dict:
    """A batch of noise with the right shapes and types."""
    import torch

    rng = np.random.default_rng(seed)
    size, tokens = config.vision.image_size, config.vision.tokens * views
    points = size // config.spatial.stride
    ids = np.concatenate([np.full((count, tokens), config.text.image_token), rng.integers(0, 256, (count, 6))], 1)
    mask = np.ones(ids.shape, bool)
    mask[0, -2:] = False
    batch = {
        "pixels": rng.integers(0, 256, (count, views, size, size, 3), np.uint8),
        "pointmap": np.concatenate(
            [rng.random((count, views, points, points, 3)), np.ones((count, views, points, points, 1))], -1
        ),
        "input_ids": ids,
        "attention_mask": mask,
        "state": rng.normal(size=(count, config.state_dim)),
        "actions": rng.normal(size=(count, config.head.horizon, config.action_dim)),
    }
    return {k: torch.from_numpy(v.astype(np.float32) if v.dtype == np.float64 else v) for k, v in batch.items()}
