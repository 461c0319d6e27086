"""Gradient checkpointing: what a block keeps for the backward pass is computed again there instead."""

from __future__ import annotations

from torch import Tensor, is_grad_enabled, nn
from torch.utils.checkpoint import checkpoint


def run_block(block: nn.Module, recompute: bool, *inputs: Tensor | None) -> Tensor:
    """``block(*inputs)``, keeping its inputs alone where ``recompute`` is true; the same values and gradients, dropout included."""
    if recompute and is_grad_enabled():
        return checkpoint(block, *inputs, use_reentrant=False)
    return block(*inputs)


def set_recompute(model: nn.Module, on: bool) -> None:
    """Switch it for every part of ``model`` that has blocks: transformers' own, the action head, the recurrent encoder."""
    for module in model.modules():
        if hasattr(module, "recompute"):
            module.recompute = on
        elif on and hasattr(module, "gradient_checkpointing_enable") and hasattr(module, "gradient_checkpointing"):
            module.gradient_checkpointing_enable({"use_reentrant": False})
