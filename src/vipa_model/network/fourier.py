"""Fourier features of coordinates in units: what sines and cosines are taken of (assumed, ours)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def octaves(frequencies: int) -> Tensor:
    """(F,) π, 2π, 4π …"""
    return math.pi * 2.0 ** torch.arange(frequencies)


def angles(points: Tensor, octaves: Tensor) -> Tensor:
    """(…, 3 F) radians of points (…, 3) at each octave."""
    return (points[..., None] * octaves).flatten(-2)
