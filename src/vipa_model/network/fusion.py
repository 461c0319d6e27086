"""The fusion layer: semantic tokens look up 3-D tokens (paper eq. 9, supplement A)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vipa_model.configuration_vipa import FusionConfig
from vipa_model.network.attention import attend


class FusionLayer(nn.Module):
    """V_f = LayerNorm(Dropout(V_sem + alpha * F_spa)).

    F_spa is the cross-attention of V_sem (queries) to V_spa (keys and values), projected back to d_v. ``alpha`` is one
    learnable number, 0.5 at the start.
    """

    def __init__(self, config: FusionConfig, semantic_width: int, spatial_width: int) -> None:
        super().__init__()
        if config.width % config.heads:
            raise ValueError(f"fusion.width {config.width} is not a multiple of fusion.heads {config.heads}")
        self.heads = config.heads
        self.query = nn.Linear(semantic_width, config.width)
        self.key = nn.Linear(spatial_width, config.width)
        self.value = nn.Linear(spatial_width, config.width)
        self.out = nn.Linear(config.width, semantic_width)
        self.alpha = nn.Parameter(torch.tensor(float(config.alpha)))
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(semantic_width)

    def forward(self, semantic: Tensor, spatial: Tensor) -> Tensor:
        """semantic V_sem (B, N_v, d_v) and spatial V_spa (B, N_s, d_s) to V_f (B, N_v, d_v)."""
        q, k, v = (self._split(x) for x in (self.query(semantic), self.key(spatial), self.value(spatial)))
        attended = attend(q, k, v).transpose(1, 2).flatten(2)
        return self.norm(self.dropout(semantic + self.alpha * self.out(attended)))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Fusion(nn.Module):
    """One fusion layer (paper) or two (its ablation), applied one after the other to the same spatial tokens."""

    def __init__(self, config: FusionConfig, semantic_width: int, spatial_width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(FusionLayer(config, semantic_width, spatial_width) for _ in range(config.layers))

    def forward(self, semantic: Tensor, spatial: Tensor) -> Tensor:
        """Shapes as ``FusionLayer``."""
        for layer in self.layers:
            semantic = layer(semantic, spatial)
        return semantic
