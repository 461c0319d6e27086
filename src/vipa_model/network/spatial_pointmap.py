"""3-D tokens straight from the depth camera: points in the base frame, Fourier features, patches (assumed, ours)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vipa_model.configuration_vipa import SpatialConfig
from vipa_model.network.constants import register_constants
from vipa_model.network.fourier import angles, octaves
from vipa_model.network.spatial import SpatialEncoder


class PointmapEncoder(SpatialEncoder):
    """Each point becomes its normalised coordinates, validity, and sines and cosines of ``frequencies`` octaves; a
    patch of point_patch x point_patch points becomes one token. A point without a reading is zero throughout, so
    missing depth, in a patch or in a whole view, is a token of its own kind and no special case."""

    needs_depth = True

    def __init__(self, config: SpatialConfig, image_size: int) -> None:
        super().__init__()
        self.patch = config.point_patch
        self.grid = image_size // (config.stride * config.point_patch)
        self.config, self.scale = config, config.scale
        register_constants(self)
        features = (4 + 6 * config.frequencies) * self.patch**2
        self.embed = nn.Linear(features, config.width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, 2 * config.width),
            nn.GELU(approximate="tanh"),
            nn.Linear(2 * config.width, config.width),
        )
        self.positions = nn.Parameter(torch.randn(self.grid**2, config.width) * 0.02)
        self.norm = nn.LayerNorm(config.width)

    def constants(self) -> dict[str, Tensor]:
        """See ``register_constants``."""
        return {"centre": torch.tensor(self.config.centre), "octaves": octaves(self.config.frequencies)}

    def forward(self, pixels: Tensor | None, pointmap: Tensor | None) -> Tensor:
        if pointmap is None:
            raise ValueError("the pointmap encoder needs 'pointmap'; for a view without depth give zeros (validity 0)")
        batch, views = pointmap.shape[:2]
        expected = self.grid * self.patch
        if pointmap.shape[2:] != (expected, expected, 4):
            raise ValueError(f"pointmap has shape {tuple(pointmap.shape)}; allowed: (B, V, {expected}, {expected}, 4)")
        valid = pointmap[..., 3:]
        unit = (pointmap[..., :3] - self.centre) / self.scale * valid
        turns = angles(unit, self.octaves)
        points = torch.cat([unit, valid, turns.sin(), turns.cos() * valid], -1)
        side, patch = self.grid, self.patch
        points = (
            points.reshape(batch * views, side, patch, side, patch, -1)
            .transpose(2, 3)
            .reshape(batch, views, side**2, -1)
        )
        tokens = self.embed(points)
        return self.norm(tokens + self.mlp(tokens)) + self.positions


class ColourEncoder(PointmapEncoder):
    """The same network on the colours at the points' pixels: as many parameters, and no depth. For ablations."""

    needs_depth = False

    def __init__(self, config: SpatialConfig, image_size: int) -> None:
        super().__init__(config, image_size)
        self.stride = config.stride

    def forward(self, pixels: Tensor | None, pointmap: Tensor | None) -> Tensor:
        first = self.stride // 2
        colours = pixels[..., first :: self.stride, first :: self.stride].movedim(2, -1)
        points = (2 * colours - 1) * self.scale + self.centre
        return super().forward(None, torch.cat([points, torch.ones_like(points[..., :1])], -1))
