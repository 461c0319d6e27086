"""Flow matching on action chunks, with committed prefixes (paper section 3.3; prefix: training-time real-time
chunking).

The path is a(tau) = (1 - tau) * noise + tau * a, tau ~ U(0, 1); the network learns the velocity a - noise; inference
integrates tau from 0 to 1. A prefix of d steps is what the robot will execute whatever arrives: those steps are fed
clean, with tau = 1, and carry no loss, so the rest of the chunk learns to continue them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def interpolate(actions: Tensor, noise: Tensor, tau: Tensor) -> Tensor:
    """The point at tau on the straight path from noise to actions. actions, noise: (B, H, A); tau: (B,) in [0, 1]."""
    tau = tau[:, None, None]
    return (1 - tau) * noise + tau * actions


def velocity_target(actions: Tensor, noise: Tensor) -> Tensor:
    """d a(tau) / d tau = actions - noise, (B, H, A)."""
    return actions - noise


def prefix_mask(lengths: Tensor, horizon: int) -> Tensor:
    """(B,) integer prefix lengths to a boolean mask (B, H), true on the first ``length`` steps."""
    return torch.arange(horizon, device=lengths.device)[None] < lengths[:, None]


def flow_loss(velocity: Tensor, target: Tensor, prefix: Tensor) -> Tensor:
    """Mean squared error over the steps outside the prefix. velocity, target: (B, H, A); prefix: (B, H) bool.
    Scalar.
    """
    keep = (~prefix).to(velocity.dtype)[..., None]
    return ((velocity - target).square() * keep).sum() / (keep.sum() * velocity.shape[-1]).clamp(min=1)


def integrate(
    velocity: Callable[[Tensor, Tensor], Tensor],
    noise: Tensor,
    steps: int,
    known: Tensor | None = None,
    prefix: Tensor | None = None,
) -> Tensor:
    """Euler steps from noise (B, H, A) at tau = 0 to actions at tau = 1.

    velocity(x, tau) with tau (B,). known: (B, H, A) actions that hold where ``prefix`` (B, H) is true; they come back
    unchanged.
    """
    x = noise if prefix is None else torch.where(prefix[..., None], known, noise)
    for i in range(steps):
        tau = torch.full((x.shape[0],), i / steps, dtype=x.dtype, device=x.device)
        stepped = x + velocity(x, tau) / steps
        x = stepped if prefix is None else torch.where(prefix[..., None], known, stepped)
    return x
