"""Constants of a module: buffers that a checkpoint does not hold, as the configuration says them."""

from __future__ import annotations

import torch
from torch import nn


def register_constants(module: nn.Module) -> None:
    """Register what ``module.constants()`` returns, {name: tensor}, as buffers that are not saved."""
    for name, value in module.constants().items():
        module.register_buffer(name, value.to(torch.float32), persistent=False)


def fill_constants(module: nn.Module) -> None:
    """Write the constants of ``module`` anew, after a loader has made room for them without values."""
    for name, value in module.constants().items() if hasattr(module, "constants") else ():
        getattr(module, name).data.copy_(value)
