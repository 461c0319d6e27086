"""What is it about, and where? Points in metres, read from the hidden states at the action queries (assumed, ours).

In alignment the queries follow a picture and an instruction and are asked where the target is, and the tip; in stage 3 the same
queries condition the action head, which is told what they answer. Nothing here sees a picture or a depth: all that is known of
places has gone through the fusion of eq. 9 and the language model.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vipa_model.configuration_vipa import VipaConfig
from vipa_model.network.constants import register_constants
from vipa_model.network.numbers import BEND, UNIT


class Answers(nn.Module):
    """Condition tokens (B, P, width), one for each point of ``config.grounded``: its first three channels are the point in
    units of ``spatial.scale`` about ``spatial.centre``, the others a learned embedding of it."""

    def __init__(self, config: VipaConfig) -> None:
        super().__init__()
        width, self.names = config.text.width, config.grounded
        self.spatial, self.scale = config.spatial, config.spatial.scale
        register_constants(self)
        self.read = nn.Sequential(
            nn.Linear(config.head.queries * width, width),
            nn.GELU(approximate="tanh"),
            nn.Linear(width, 3 * len(self.names)),
        )
        features = 3 + 6 * config.spatial.frequencies
        self.embed = nn.ModuleDict({name: nn.Linear(features, width - 3) for name in self.names})

    def constants(self) -> dict[str, Tensor]:
        """See ``register_constants``."""
        octaves = math.pi * 2.0 ** torch.arange(self.spatial.frequencies)
        return {"centre": torch.tensor(self.spatial.centre), "octaves": octaves}

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (B, N_q, text width): the hidden states at the action queries."""
        points = self.read(hidden.flatten(1)).unflatten(-1, (-1, 3)) * (UNIT / self.scale)
        return torch.stack([self._token(name, points[:, i]) for i, name in enumerate(self.names)], 1)

    def position(self, token: Tensor) -> Tensor:
        """The point (B, 3) in metres, base frame, that a token (B, width) carries."""
        return token[:, :3] * self.scale + self.centre

    def losses(self, tokens: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """A regression for each point of which ``batch`` has the place, (B, 3) m, base frame, NaN: unknown."""
        out = {}
        for i, name in enumerate(self.names):
            if name in batch:
                known = batch[name].isfinite().all(-1)
                said = self.position(tokens[:, i].float())[known]
                wanted = batch[name][known]
                out[name] = F.smooth_l1_loss(said / UNIT, wanted / UNIT, beta=BEND) if len(said) else tokens.sum() * 0
        return out

    def _token(self, name: str, point: Tensor) -> Tensor:
        angles = (point[..., None] * self.octaves).flatten(-2)
        embedded = self.embed[name](torch.cat([point, angles.sin(), angles.cos()], -1))
        return torch.cat([point, embedded.to(point.dtype)], -1)
