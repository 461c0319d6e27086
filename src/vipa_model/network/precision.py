"""Which weights are halved: the matrices alone."""

from __future__ import annotations

import torch
from torch import nn


def halve(model: nn.Module, dtype: torch.dtype = torch.bfloat16) -> None:
    """The matrices of ``model`` in ``dtype``; embeddings, norms and points stay float32: a metre in bfloat16 is good to 4 mm."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.to(dtype)
