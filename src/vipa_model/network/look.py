"""Where is it seen? The action queries look up, once more, the image tokens of what they are told about (assumed, ours).

In alignment the place where the target is seen teaches where to look, as a word is tied to its thing in a picture before anything is
known of its distance. What is looked up are image tokens behind the fusion of eq. 9: how far a thing is comes from there alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Look(nn.Module):
    """Attention of a group of action queries to the image tokens of its prompt, one head for all queries of the group."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, queries: Tensor, prompt: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """queries (B, I, N_q, width) of I instructions in the same pictures, prompt (B, T, width): hidden states; pictures (B, T) bool: which
        are image tokens. The queries with what they looked up, and the weights' logarithms (B, I, T)."""
        scores = self.query(queries.mean(2)) @ self.key(prompt).transpose(1, 2) * queries.shape[-1] ** -0.5
        weights = scores.masked_fill(~pictures[:, None], torch.finfo(scores.dtype).min).log_softmax(-1)
        return queries + self.out(weights.exp() @ self.value(prompt))[:, :, None], weights


def shown(sight: Tensor, pictures: Tensor, size: int, side: int) -> Tensor:
    """Which tokens of the prompt show a thing, (B, I, T) bool. sight (B, I, V, 2): its x and y in pixels of views of size x size, each side x
    side tokens, NaN: nowhere; pictures (B, T) bool: which are image tokens, view by view and row by row."""
    cell = (sight * (side / size)).floor()
    inside = ((cell >= 0) & (cell < side)).all(-1, keepdim=True)
    number = cell[..., 1:] * side + cell[..., :1]
    cells = ((torch.arange(side**2, device=sight.device) == number) & inside).flatten(2)
    order = (pictures.cumsum(1) - 1).clamp(min=0, max=cells.shape[-1] - 1)
    return cells.gather(2, order[:, None].expand(-1, cells.shape[1], -1)) & pictures[:, None]


def look_loss(weights: Tensor, seen: Tensor) -> Tensor:
    """How little of the weights, as logarithms (B, I, T), lies where the target is seen, (B, I, T) bool; rows without are left out."""
    known = seen.any(-1)
    found = weights.float().masked_fill(~seen, -1e4).logsumexp(-1)
    return -(found * known).sum() / known.sum().clamp(min=1)
