"""What is it about, and where? Points in metres, read from the hidden states at the action queries (assumed, ours).

In alignment the queries follow a picture and an instruction and are asked where the target is, and the tip; in stage 3 the same
queries condition the action head, which is told what they answer. Nothing here sees a picture or a depth: all that is known of
places has gone through the fusion of eq. 9 and the language model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vipa_model.configuration_vipa import VipaConfig
from vipa_model.network.constants import register_constants
from vipa_model.network.fourier import octaves
from vipa_model.network.numbers import BEND, UNIT
from vipa_model.network.point_tokens import point_embedding, point_token, position


class Answers(nn.Module):
    """Condition tokens (B, P, width), one for each point of ``config.grounded``: see point_tokens.py."""

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
        self.embed = nn.ModuleDict({name: point_embedding(config.spatial.frequencies, width) for name in self.names})

    def constants(self) -> dict[str, Tensor]:
        """See ``register_constants``."""
        return {"centre": torch.tensor(self.spatial.centre), "octaves": octaves(self.spatial.frequencies)}

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden (B, N_q, text width): the hidden states at the action queries."""
        points = self.read(hidden.flatten(1)).unflatten(-1, (-1, 3)) * (UNIT / self.scale)
        tokens = [point_token(points[:, i], self.embed[name], self.octaves) for i, name in enumerate(self.names)]
        return torch.stack(tokens, 1)

    def position(self, token: Tensor) -> Tensor:
        """The point (B, 3) in metres, base frame, that a token (B, width) carries."""
        return position(token, self.scale, self.centre)

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
