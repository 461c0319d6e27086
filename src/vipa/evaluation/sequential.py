"""A test that may be looked at after every pair: an e-process on paired differences of scores.

Under the hypothesis that the next difference x in [-1, 1] has mean 0 whatever came before, the capital of a gambler who stakes
the share λ on it, K(λ) = Π (1 + λ x), is a non-negative martingale that starts at 1, and so is any mixture of such bets fixed
in advance. By Ville's inequality it ever reaches 1/α with probability at most α: whoever stops then errs at most that often,
whenever and why ever they look. Ville, Étude critique de la notion de collectif (1939); Waudby-Smith and Ramdas, J. R. Stat. Soc.
B 86 (2024) 1, section 4; Ramdas et al., Stat. Sci. 38 (2023) 576.
"""

from dataclasses import dataclass

import numpy as np

ALPHA = 0.05
LOWEST, HIGHEST = (
    0.1,
    0.98,
)  # stakes of the mixture: below, a bet wins too slowly to matter; at 1 one full loss ruins it
_ONE_SIDE = np.linspace(LOWEST, HIGHEST, 23)
STAKES = np.concatenate([_ONE_SIDE, -_ONE_SIDE])  # (46,) on a being better, then on b
_WEIGHTS = np.concatenate([_ONE_SIDE, _ONE_SIDE]) / (
    2 * _ONE_SIDE.sum()
)  # more on high stakes, whose bets settle sooner
_LOG_WEIGHTS = np.log(_WEIGHTS)


@dataclass(frozen=True)
class Sequential:
    """Where the test stands. e_value: capital after the last pair. decided_at: pairs after which it first reached 1/alpha, None: it
    has not. direction: 1 if a was better then, -1 if b was, 0 if nothing is decided. log_capitals: (46,) of each stake."""

    alpha: float
    e_value: float
    decided_at: int | None
    direction: int
    log_capitals: np.ndarray


def test(differences, alpha: float = ALPHA) -> Sequential:  # noqa: PT028
    """The test after `differences` (n,) score of a less score of b, in the order in which the pairs were run.

    Raises ValueError for a difference outside [-1, 1].
    """
    values = np.asarray(differences, float)
    if not np.all(np.abs(values) <= 1):
        raise ValueError("a difference is outside [-1, 1]")
    capitals = np.zeros((len(values) + 1, len(STAKES)))
    np.cumsum(np.log1p(values[:, None] * STAKES), axis=0, out=capitals[1:])
    mixture = log_mixture(capitals)
    crossed = np.flatnonzero(mixture >= -np.log(alpha))
    decided = int(crossed[0]) if len(crossed) else None
    side = 0 if decided is None else _leading(capitals[decided])
    return Sequential(alpha, float(np.exp(min(mixture[-1], 700.0))), decided, side, capitals[-1])


def log_mixture(log_capitals) -> np.ndarray:
    """Logarithm of the mixture's capital (…) from those of its stakes (…, 46)."""
    terms = np.asarray(log_capitals) + _LOG_WEIGHTS
    top = terms.max(axis=-1)
    return top + np.log(np.exp(terms - top[..., None]).sum(axis=-1))


def more_pairs(now: Sequential, differences, power: float = 0.8, at_most: int = 2000, runs: int = 400) -> int | None:
    """Further pairs after which the test decides with probability `power`, if those to come are as `differences` (n,) were; None: not
    within `at_most`, or there is nothing to go by. By simulation, seeded: the differences are drawn from those seen.

    What was seen is taken for the truth, so that a lucky start promises too much.
    """
    values, counts = np.unique(np.asarray(differences, float), return_counts=True)
    if now.decided_at is not None:
        return 0
    if not np.any(values):
        return None
    rng = np.random.default_rng(20251212)
    steps = np.log1p(values[:, None] * STAKES)
    capitals = np.tile(now.log_capitals, (runs, 1))
    undecided = np.arange(runs)
    for number in range(1, at_most + 1):
        capitals = capitals + steps[rng.choice(len(values), len(capitals), p=counts / counts.sum())]
        open_ = log_mixture(capitals) < -np.log(now.alpha)
        capitals, undecided = capitals[open_], undecided[open_]
        if len(undecided) <= (1 - power) * runs:
            return number
    return None


def _leading(log_capitals: np.ndarray) -> int:
    half = len(STAKES) // 2
    return 1 if log_capitals[:half].max() > log_capitals[half:].max() else -1
