"""Conditions the action head on the grounded points, as seen from the tool (assumed, ours).

The action head is told the points' tokens and the bearings between them, and a few numbers lead its chunk: each step takes a
learned share of them (see DiT). An error of a centimetre, or of a tenth of a radian, then counts by itself and need not show
through all of the head. By how much to turn is an angle, and cannot be read off positions by a share: so it has numbers of
its own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vipa_model.configuration_vipa import VipaConfig
from vipa_model.processing.normalisation import Statistics

WAYS = 5  # leading numbers for the translation: the way to the target, and its horizontal part close by
TURNS = 2  # and for the rotation, where there is a tip: see ``_turns``
CLOSE = 0.04  # metres beside the target: close by
TURN = 0.15  # sine that makes one unit of a leading number: about the spread of the turns in a chunk
LEAST = 0.05  # units below which a direction fades


class Aim(nn.Module):
    """What the action head learns from grounded tokens (B, P, text width): target, and tip where there is one."""

    def __init__(self, config: VipaConfig) -> None:
        super().__init__()
        self.scale, self.centre = config.spatial.scale, config.spatial.centre
        self.tip = "tip" in config.grounded
        self.leads = WAYS + TURNS * self.tip
        points, bearings = len(config.grounded), 2 * (3 if self.tip else 1)
        told, width = points * config.text.width + config.state_dim + bearings + TURNS * self.tip, config.head.width
        self.mix = nn.Sequential(nn.Linear(told, width), nn.GELU(approximate="tanh"), nn.Linear(width, width))
        # the first group's tool in the normalised state: position in the grounding's units, and two axes
        self.register_buffer("tool_scale", torch.ones(9))
        self.register_buffer("tool_offset", torch.zeros(9))

    def know_tool(self, statistics: Statistics) -> None:
        """Take over how the processor normalises states: where the tool is can then be compared with the grounding."""
        scale, offset = statistics.scale[:9].copy(), statistics.offset[:9].copy()
        offset[:3] -= self.centre
        scale[:3], offset[:3] = scale[:3] / self.scale, offset[:3] / self.scale
        self.tool_scale.copy_(torch.from_numpy(scale))
        self.tool_offset.copy_(torch.from_numpy(offset))

    def forward(self, state: Tensor, tokens: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What to add to the state token (B, head width), and the leading numbers (B, leads).

        state: (B, S) normalised. tokens: (B, P, text width). Rows where ``hidden`` (B,) is true know nothing of the tool."""
        tool = state[:, :9] * self.tool_scale + self.tool_offset
        position, axes = tool[:, :3], tool[:, 3:].unflatten(-1, (2, 3))
        target = tokens[:, 0, :3]
        way = target - position
        bearings = [_bearing(way, axes)]
        leads = [way, close_by(way * self.scale)]
        if self.tip:
            tip = tokens[:, 1, :3]
            bearings += [_bearing(tip - position, axes), _bearing(tip - target, axes)]
            bearings.append(_turns(*bearings))
            leads.append(bearings[-1])
        about_tool = torch.cat([state.to(way.dtype), *bearings], -1)
        led = torch.cat(leads, -1)
        if hidden is not None:
            about_tool, led = (x.masked_fill(hidden[:, None], 0.0) for x in (about_tool, led))
        return self.mix(torch.cat([tokens.flatten(1), about_tool.to(tokens.dtype)], -1)), led


def close_by(way: Tensor) -> Tensor:
    """The horizontal way (B, 2) in units of CLOSE where it is about that or less, nought where it is much more; way: (B, 3)
    metres, base frame."""
    horizontal = way[:, :2] / CLOSE
    return horizontal * torch.exp(-0.5 * horizontal.square().sum(-1, keepdim=True))


def _bearing(way: Tensor, axes: Tensor) -> Tensor:
    """Cosine and sine (B, 2) of the direction of ``way`` (B, 3) about the tool's own z axis; axes: (B, 2, 3), its x and y axis
    in the frame of ``way``."""
    side = (axes * way[:, None]).sum(-1)
    return side / side.norm(dim=-1, keepdim=True).clamp(min=LEAST)


def _turns(target: Tensor, tip: Tensor, along: Tensor) -> Tensor:
    """Sines (B, 2), in units of TURN, of the turns about the tool's z axis that bring the tip onto the target, and a two-fingered
    hand across what the tip ends (the same after half a turn: half the sine of the double angle); arguments: bearings (B, 2)
    from the tool to target and tip, and from target to tip."""
    onto = tip[:, 0] * target[:, 1] - tip[:, 1] * target[:, 0]
    return torch.stack([onto, along[:, 0] * along[:, 1]], -1) / TURN
