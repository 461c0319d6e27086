"""A recurrent 3-D encoder of CUT3R's shape, written from the published description: no code or weights of CUT3R.

Views enter one after another. An image encoder makes patch tokens; twin decoders let them and a persistent set of state
tokens attend to each other, layer by layer; the image side carries a pose token. The updated state goes on to the next
view. Heads turn the image side into pointmaps and a camera pose, which stage 0 trains (``pointmap_loss``). The policy
reads the last decoder layer's pose and patch tokens as V_spa (the choice of VLM-3R).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vipa_model.configuration_vipa import SpatialConfig
from vipa_model.network.attention import attend
from vipa_model.network.constants import register_constants
from vipa_model.network.recompute import run_block
from vipa_model.network.spatial import SpatialEncoder


class Attention(nn.Module):
    """Multi-head attention of x to ``memory`` (to itself when None)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        memory = x if memory is None else memory
        q, k, v = (
            t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for t in (self.query(x), self.key(memory), self.value(memory))
        )
        return self.out(attend(q, k, v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Pre-norm transformer block; with ``cross``, attention to another token set between self-attention and MLP."""

    def __init__(self, width: int, heads: int, cross: bool) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.cross = Attention(width, heads) if cross else None
        self.norm2, self.norm_memory = (nn.LayerNorm(width), nn.LayerNorm(width)) if cross else (None, None)
        self.norm3 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.norm1(x))
        if self.cross is not None:
            x = x + self.cross(self.norm2(x), self.norm_memory(memory))
        return x + self.mlp(self.norm3(x))


class RecurrentEncoder(SpatialEncoder):
    """V_spa (B, V, 1 + patches, d_s) from RGB alone; pose token first."""

    def __init__(self, config: SpatialConfig) -> None:
        super().__init__()
        self.size, self.patch, self.grid = config.image_size, config.patch, config.image_size // config.patch
        wide, width = config.encoder_width, config.width
        self.embed = nn.Conv2d(3, wide, config.patch, config.patch)
        self.wide, self.recompute = wide, False
        register_constants(self)
        self.encoder = nn.ModuleList(Block(wide, config.encoder_heads, False) for _ in range(config.encoder_layers))
        self.encoder_norm = nn.LayerNorm(wide)
        self.into_decoder = nn.Linear(wide, width)
        self.pose_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.state = nn.Parameter(torch.randn(1, config.state_tokens, width) * 0.02)
        self.image_decoder = nn.ModuleList(
            Block(width, config.decoder_heads, True) for _ in range(config.decoder_layers)
        )
        self.state_decoder = nn.ModuleList(
            Block(width, config.decoder_heads, True) for _ in range(config.decoder_layers)
        )
        self.image_norm, self.state_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.point_head = nn.Linear(width, config.patch**2 * 8)
        self.pose_head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 7))

    def constants(self) -> dict[str, Tensor]:
        """See ``register_constants``."""
        return {"positions": _sincos(self.grid, self.wide)}

    def forward(self, pixels: Tensor, pointmap: Tensor | None = None) -> Tensor:
        batch, views = pixels.shape[:2]
        images = pixels.flatten(0, 1) * 2 - 1
        if images.shape[-2:] != (self.size, self.size):
            images = F.interpolate(images, (self.size, self.size), mode="bilinear")
        tokens = self.embed(images).flatten(2).transpose(1, 2) + self.positions
        for block in self.encoder:
            tokens = run_block(block, self.recompute, tokens)
        tokens = self.into_decoder(self.encoder_norm(tokens)).unflatten(0, (batch, views))
        state, out = self.state.expand(batch, -1, -1), []
        for view in range(views):
            image = torch.cat([self.pose_token.expand(batch, -1, -1), tokens[:, view]], 1)
            for image_block, state_block in zip(self.image_decoder, self.state_decoder, strict=True):
                image, state = (
                    run_block(image_block, self.recompute, image, state),
                    run_block(state_block, self.recompute, state, image),
                )
            state = self.state_norm(state)
            out.append(self.image_norm(image))
        return torch.stack(out, 1)

    def pointmaps(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read the geometry out of ``forward``'s tokens.

        Returns points (B, V, 2, s, s, 3) metres (0: the view's own optical frame, 1: the base frame), their confidences
        (B, V, 2, s, s) >= 1, and the camera pose (B, V, 7), base from optical, metres and unit xyzw.
        """
        flat = self.point_head(tokens[:, :, 1:]).unflatten(-1, (self.patch, self.patch, 2, 4))
        flat = flat.unflatten(2, (self.grid, self.grid)).permute(0, 1, 6, 2, 4, 3, 5, 7)
        maps = flat.reshape(*flat.shape[:3], self.size, self.size, 4)
        pose = self.pose_head(tokens[:, :, 0])
        pose = torch.cat([pose[..., :3], F.normalize(pose[..., 3:], dim=-1)], -1)
        return maps[..., :3], 1 + maps[..., 3].clamp(max=10).exp(), pose


def pointmap_loss(
    points: Tensor,
    confidence: Tensor,
    pose: Tensor,
    target: Tensor,
    valid: Tensor,
    true_pose: Tensor,
    weight: float = 0.2,
) -> dict[str, Tensor]:
    """Stage 0: confidence-weighted distance to the true pointmaps, and the camera pose.

    points, confidence, pose: from ``pointmaps``. target: like points. valid: (B, V, s, s) bool. true_pose: (B, V, 7).
    The loss of a point is c * distance - weight * log c (c: confidence); of a pose its position error plus 1 - |q .
    q*|. Returns {'loss', 'distance' (mean, metres), 'pose'}.
    """
    distance = (points - target).norm(dim=-1)
    mask = valid[:, :, None].expand_as(distance).to(distance.dtype)
    count = mask.sum().clamp(min=1)
    points_loss = ((confidence * distance - weight * confidence.log()) * mask).sum() / count
    position = (pose[..., :3] - true_pose[..., :3]).norm(dim=-1)
    rotation = 1 - (pose[..., 3:] * true_pose[..., 3:]).sum(-1).abs()
    pose_loss = (position + rotation).mean()
    return {"loss": points_loss + pose_loss, "distance": (distance * mask).sum() / count, "pose": pose_loss}


def _sincos(side: int, width: int) -> Tensor:
    """Fixed 2-D positions of a side x side grid, (side^2, width)."""
    frequencies = 10_000.0 ** (-torch.arange(width // 4) / (width // 4))
    angles = torch.arange(side)[:, None] * frequencies
    line = torch.cat([angles.sin(), angles.cos()], -1)
    rows, columns = line[:, None].expand(-1, side, -1), line[None].expand(side, -1, -1)
    return torch.cat([rows, columns], -1).flatten(0, 1)
