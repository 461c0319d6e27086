"""The action head: a diffusion transformer that predicts the flow's velocity (sizes assumed, see HeadConfig).

Tokens: one for the state, one for each step of the noisy chunk. Each block: self-attention and MLP, both shifted,
scaled and gated by the token's own tau (adaptive norm), and between them cross-attention to h_cond, the language
model's hidden states at the action queries. The cross-attention's keys and values do not depend on tau: computed once,
used by every Euler step.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vipa_model.configuration_vipa import HeadConfig
from vipa_model.network.attention import attend
from vipa_model.network.grounding_conditioning import WAYS
from vipa_model.network.recompute import run_block


class DiTBlock(nn.Module):
    """Self-attention, cross-attention to cached keys and values, MLP."""

    def __init__(self, config: HeadConfig, condition_width: int) -> None:
        super().__init__()
        width, self.heads = config.width, config.heads
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.cross_query = nn.Linear(width, width)
        self.cross_key_value = nn.Linear(condition_width, 2 * width)
        self.cross_proj = nn.Linear(width, width)
        self.norm3 = nn.LayerNorm(width, elementwise_affine=False)
        self.mlp = nn.Sequential(
            nn.Linear(width, config.mlp),
            nn.GELU(approximate="tanh"),
            nn.Dropout(config.dropout),
            nn.Linear(config.mlp, width),
        )
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def key_value(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """h_cond (B, N_q, d) to keys and values, each (B, heads, N_q, width / heads)."""
        key, value = self.cross_key_value(condition).chunk(2, -1)
        return self._split(key), self._split(value)

    def forward(self, x: Tensor, times: Tensor, clean: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """x: (B, T, width). times: (B, 2, width), embeddings of the sample's tau and of tau = 1. clean: (B, T, 1) bool,
        which tokens have tau = 1. key, value as ``key_value`` gives them."""
        noisy, ones = self.modulation(F.silu(times)).unsqueeze(2).unbind(1)
        shift1, scale1, gate1, shift2, scale2, gate2 = torch.where(clean, ones, noisy).chunk(6, -1)
        q, k, v = (self._split(t) for t in self.qkv(self.norm1(x) * (1 + scale1) + shift1).chunk(3, -1))
        x = x + gate1 * self.proj(_merge(attend(q, k, v)))
        q = self._split(self.cross_query(self.norm2(x)))
        x = x + self.cross_proj(_merge(attend(q, key, value)))
        return x + gate2 * self.mlp(self.norm3(x) * (1 + scale2) + shift2)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class DiT(nn.Module):
    """Velocity of an action chunk, given the state and the condition.

    leads: the state token ends with as many numbers of which each step takes a learned share, see aim.py: five for the first
    group's translation (3 + 2 horizontal), the others for its rotation (assumed, ours)."""

    def __init__(
        self, config: HeadConfig, action_dim: int, state_dim: int, condition_width: int, leads: int = 0
    ) -> None:
        super().__init__()
        if config.width % config.heads:
            raise ValueError(f"head.width {config.width} is not a multiple of head.heads {config.heads}")
        width = config.width
        self.action_in = nn.Linear(action_dim, width)
        self.state_in = nn.Sequential(nn.Linear(state_dim, width), nn.SiLU(), nn.Linear(width, width))
        self.no_state = nn.Parameter(torch.zeros(width))
        self.recompute = False
        self.positions = nn.Parameter(torch.randn(1 + config.horizon, width) * 0.02)
        self.time = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(DiTBlock(config, condition_width) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, action_dim)
        self.turns = max(leads - WAYS, 0)
        self.lead = nn.Linear(width, WAYS + 6 * self.turns) if leads else None
        for layer in (self.modulation, self.out, *([self.lead] if leads else [])):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def condition(self, h_cond: Tensor) -> tuple[Tensor, Tensor]:
        """h_cond (B, N_q, d) to every block's keys and values, each (layers, B, heads, N_q, width / heads)."""
        pairs = [block.key_value(h_cond) for block in self.blocks]
        return torch.stack([k for k, _ in pairs]), torch.stack([v for _, v in pairs])

    def embed_state(self, state: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Normalised state (B, S) to its token (B, width); rows where ``hidden`` (B,) is true get the learned
        'unknown'.
        """
        token = self.state_in(state)
        return token if hidden is None else torch.where(hidden[:, None], self.no_state, token)

    def forward(
        self, noisy: Tensor, state: Tensor, tau: Tensor, prefix: Tensor, keys: Tensor, values: Tensor
    ) -> Tensor:
        """Velocity (B, H, A).

        noisy: (B, H, A) chunk with its prefix clean. state: (B, width [+ leads]), see ``embed_state`` and ``leads``. tau: (B,) in [0, 1].
        prefix: (B, H) bool, steps whose tau is 1. keys, values: from ``condition``.
        """
        width = self.positions.shape[-1]
        x = torch.cat([state[:, None, :width], self.action_in(noisy)], 1) + self.positions
        times = self.time(time_features(torch.stack([tau, torch.ones_like(tau)], 1)))
        clean = F.pad(prefix, (1, 0), value=True)[..., None]
        for block, key, value in zip(self.blocks, keys.unbind(0), values.unbind(0), strict=True):
            x = run_block(block, self.recompute, x, times, clean, key, value)
        noisy_mod, clean_mod = self.modulation(F.silu(times)).unsqueeze(2).unbind(1)
        shift, scale = torch.where(clean, clean_mod, noisy_mod)[:, 1:].chunk(2, -1)
        x = self.norm(x[:, 1:]) * (1 + scale) + shift
        velocity = self.out(x)
        if self.lead is None:
            return velocity
        shares, leads = self.lead(x), state[:, None, width:]
        moved = shares[..., :WAYS] * leads[..., :WAYS]
        led = moved[..., :3] + F.pad(moved[..., 3:], (0, 1))
        if self.turns:
            turned = shares[..., WAYS:].unflatten(-1, (self.turns, 6)) * leads[..., WAYS:, None]
            led = torch.cat([led, turned.sum(-2)], -1)
        return velocity + F.pad(led, (0, velocity.shape[-1] - led.shape[-1]))


def time_features(tau: Tensor) -> Tensor:
    """Sinusoids of tau (...) in [0, 1]: (..., 256)."""
    frequencies = torch.exp(-math.log(10_000.0) / 128 * torch.arange(128, device=tau.device, dtype=tau.dtype))
    angles = 1000.0 * tau[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], -1)


def _merge(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
