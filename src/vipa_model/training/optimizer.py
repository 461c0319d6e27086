"""The optimiser of a recipe."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from vipa_model.recipes import Recipe

BETAS = (0.9, 0.95)  # assumed


def make_optimizer(trained: Sequence[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW: matrices decay, vectors and numbers do not (assumed). Raises ValueError for another name, ImportError for
    ``adamw8bit`` without bitsandbytes."""
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.shard:  # numbers are not in shards, and one kernel does not take both
        groups[1]["params"] = [p for p in trained if p.ndim == 1]
        groups.append({"params": [p for p in trained if not p.ndim], "weight_decay": 0.0})
    groups = [g for g in groups if g["params"]]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, betas=BETAS, fused=True)
    if recipe.optimizer != "adamw8bit":
        raise ValueError(f"optimizer is {recipe.optimizer!r}; allowed: 'adamw', 'adamw8bit'")
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError:
        raise ImportError(
            "optimizer 'adamw8bit' needs bitsandbytes, which is not installed: pip install bitsandbytes"
        ) from None
    return AdamW8bit(groups, lr=recipe.lr, betas=BETAS)
