"""Where is what the action is about? A soft arg-max over the depth camera's own points (assumed, ours).

A model trained from scratch on a few hundred demonstrations learns a mean motion long before it learns to look: the
position of an object has to travel through all of the language model. Here the language model only says *what* to look for;
*where* it is comes straight from the pointmap, as a weighted mean of measured points, and reaches the action head as one more
condition token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vipa_model.configuration_vipa import VipaConfig
from vipa_model.network.constants import register_constants
from vipa_model.network.fourier import octaves
from vipa_model.network.point_tokens import point_embedding, point_token, position

SHARPNESS = 4.0  # of the softmax at the start: neither one point nor all


class Grounding(nn.Module):
    """Condition tokens (B, P, width), one for each point of ``config.grounded``: see point_tokens.py."""

    def __init__(self, config: VipaConfig) -> None:
        super().__init__()
        if config.spatial.kind != "pointmap":
            raise ValueError(
                f"grounding wants spatial.kind 'pointmap', not {config.spatial.kind!r}; allowed: grounding 0"
            )
        width = config.grounding
        self.cells = config.vision.image_size // 8
        self.spatial, self.scale = config.spatial, config.spatial.scale
        register_constants(self)
        self.look = nn.Sequential(
            nn.Conv2d(3, width // 2, 4, 4),
            nn.GELU(approximate="tanh"),
            nn.Conv2d(width // 2, width, 3, 2, 1),
            nn.GroupNorm(1, width),
            nn.GELU(approximate="tanh"),
            nn.Conv2d(width, width, 3, 1, 1),
            nn.GroupNorm(1, width),
        )
        self.views = nn.Parameter(torch.zeros(len(config.cameras), 1, width))
        self.points = nn.ModuleDict({name: Pointer(config) for name in config.grounded})

    def constants(self) -> dict[str, Tensor]:
        """See ``register_constants``."""
        return {"centre": torch.tensor(self.spatial.centre)}

    def forward(self, pixels: Tensor, pointmap: Tensor, wanted: Tensor) -> Tensor:
        """pixels (B, V, 3, h, w) normalised, pointmap (B, V, hp, wp, 4), wanted (B, text width): what to look for."""
        batch, views = pixels.shape[:2]
        features = self.look(pixels.flatten(0, 1)).flatten(2).transpose(1, 2).unflatten(0, (batch, views)) + self.views
        measured, valid = self._cells(pointmap)
        features = features.flatten(1, 2)
        return torch.stack([point(features, measured, valid, wanted) for point in self.points.values()], 1)

    def position(self, token: Tensor) -> Tensor:
        """The point (B, 3) in metres, base frame, that a token (B, width) carries."""
        return position(token, self.scale, self.centre)

    def _cells(self, pointmap: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of each cell's measured points, in units (B, N, 3), and whether it has enough of them (B, N) bool."""
        flat = pointmap.flatten(0, 1).permute(0, 3, 1, 2)
        valid = flat[:, 3:]
        size = flat.shape[-1] // self.cells
        share = F.avg_pool2d(valid, size)
        unit = (flat[:, :3] - self.centre[:, None, None]) / self.scale * valid
        mean = F.avg_pool2d(unit, size) / share.clamp(min=1e-3)
        shape = pointmap.shape[0], -1
        return mean.flatten(2).transpose(1, 2).reshape(*shape, 3), (share > 0.3).reshape(shape)


class Pointer(nn.Module):
    """One point: where the cells are that answer to what is wanted, and a correction of what is beside or behind them."""

    def __init__(self, config: VipaConfig) -> None:
        super().__init__()
        width, text = config.grounding, config.text.width
        self.frequencies = config.spatial.frequencies
        register_constants(self)
        self.query = nn.Linear(text, width)
        self.offset = nn.Sequential(
            nn.Linear(text + 3 + width, width), nn.GELU(approximate="tanh"), nn.Linear(width, 3)
        )
        nn.init.zeros_(self.offset[2].weight)
        nn.init.zeros_(self.offset[2].bias)
        self.embed = point_embedding(self.frequencies, text)

    def constants(self) -> dict[str, Tensor]:
        """See ``register_constants``."""
        return {"octaves": octaves(self.frequencies)}

    def forward(self, features: Tensor, measured: Tensor, valid: Tensor, wanted: Tensor) -> Tensor:
        """Token (B, text width) of cells with ``features`` (B, N, width), ``measured`` points (B, N, 3) in units, where
        ``valid`` (B, N)."""
        scores = (features @ self.query(wanted)[..., None])[..., 0] * (SHARPNESS / features.shape[-1] ** 0.5)
        weights = scores.masked_fill(~valid, -1e4).softmax(-1) * valid
        seen, answer = ((weights[..., None] * x).sum(1) for x in (measured, features))
        point = seen + self.offset(torch.cat([wanted, seen, answer], -1))
        return point_token(point, self.embed, self.octaves)
