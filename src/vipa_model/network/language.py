"""The language model: transformers' Qwen3, and how its vocabulary grows."""

from __future__ import annotations

import torch
from torch import nn

from vipa_model.configuration_vipa import TextConfig
from vipa_model.network.attention import QWEN_ATTENTION, register


def make_language(config: TextConfig, vocab: int) -> nn.Module:
    """transformers' Qwen3Model of the configured size."""
    from transformers import Qwen3Config, Qwen3Model

    register()
    return Qwen3Model(
        Qwen3Config(
            **(
                {"attn_implementation": QWEN_ATTENTION}
                | config.extra
                | {
                    "vocab_size": vocab,
                    "hidden_size": config.width,
                    "num_hidden_layers": config.layers,
                    "num_attention_heads": config.heads,
                    "num_key_value_heads": config.kv_heads,
                    "head_dim": config.head_dim,
                    "intermediate_size": config.mlp,
                    "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
                    "use_cache": False,
                }
            )
        )
    )


def grown(old: nn.Embedding | nn.Linear, count: int) -> nn.Embedding | nn.Linear:
    """A copy with ``count`` more rows, started at the mean of the others with a little noise."""
    weight = old.weight.detach()
    rows = weight.mean(0) + 0.02 * torch.randn(count, weight.shape[1], device=weight.device, dtype=weight.dtype)
    total, width = len(weight) + count, weight.shape[1]
    new = nn.Embedding(total, width) if isinstance(old, nn.Embedding) else nn.Linear(width, total, bias=False)
    new.weight = nn.Parameter(torch.cat([weight, rows]))
    return new
