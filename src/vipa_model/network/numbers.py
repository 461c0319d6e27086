"""What an answer says, as numbers: a regression beside the words in alignment (assumed, ours)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

UNIT = 0.1  # metres that count as 1
WEIGHT = 1.0  # of the regressions beside the next-token loss
BEND = 0.2  # units from which on an error counts linearly


class Numbers(nn.Module):
    """A displacement is read from the hidden state at the end of its question, before a word of the answer; where the hand is to go, and
    by how much it is to turn, from the action queries, which the action head is conditioned on later."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = nn.Linear(width, 3)
        self.goal = nn.Linear(width, 5)

    def displacement(self, hidden: Tensor) -> Tensor:
        """Metres (..., 3) of hidden states (..., width)."""
        return self.vector(hidden) * UNIT

    def losses(self, hidden: Tensor, queries: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """'vector' and 'goal' of hidden states (B, T, width) and those at the action queries (B, N_q, width); ``vector`` (B, T, 3) m and
        ``goal`` (B, 5), metres, sine and cosine, are NaN where nothing is asked."""
        out = {}
        for name, states, unit in (("vector", hidden, (UNIT,)), ("goal", queries.mean(1), (UNIT,) * 3 + (0.5, 0.5))):
            known = batch[name].isfinite().all(-1)
            wanted = batch[name][known] / batch[name].new_tensor(unit)
            said = getattr(self, name)(states[known]).float()
            out[name] = WEIGHT * F.smooth_l1_loss(said, wanted, beta=BEND) if len(said) else states.sum() * 0
        return out
