"""A point as a condition token: its first three channels are the point in units of ``spatial.scale`` about ``spatial.centre``, the others a
learned embedding of it (assumed, ours)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vipa_model.network.fourier import angles


def point_embedding(frequencies: int, width: int) -> nn.Linear:
    """What ``point_token`` learns for tokens of ``width``."""
    return nn.Linear(3 + 6 * frequencies, width - 3)


def point_token(point: Tensor, embedding: nn.Module, octaves: Tensor) -> Tensor:
    """Token (B, width) of a point (B, 3) in units; embedding: see ``point_embedding``; octaves: of as many frequencies."""
    turns = angles(point, octaves)
    embedded = embedding(torch.cat([point, turns.sin(), turns.cos()], -1))
    return torch.cat([point, embedded.to(point.dtype)], -1)


def position(token: Tensor, scale: float, centre: Tensor) -> Tensor:
    """The point (B, 3) in metres, base frame, that a token (B, width) carries."""
    return token[:, :3] * scale + centre
