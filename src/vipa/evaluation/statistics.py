"""Intervals and tests for trials: success is 0 or 1, a score lies in [0, 1], a paired difference of scores in [-1, 1].

All p-values are two-sided. They hold for a number of trials that was fixed before the first one; for looks in between see
`vipa.evaluation.sequential`.
"""

import math
import warnings

import numpy as np
from scipy import stats

FLIPS = 1 << 16  # sign flips that are enumerated; of more, so many are drawn
RESAMPLES = 9999
SEED = 20251212  # of what is drawn, so that the same trials always give the same numbers

Interval = tuple[float, float]


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Exact interval of a success probability from `successes` of `n` trials.

    [B(α/2; k, n-k+1), B(1-α/2; k+1, n-k)] with B the quantile of the beta distribution: Clopper and Pearson, Biometrika 26 (1934)
    404. Raises ValueError unless 0 <= successes <= n and n > 0.
    """
    low, high = stats.binomtest(successes, n).proportion_ci(confidence, "exact")
    return float(low), float(high)


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Score interval of a success probability: Wilson, J. Am. Stat. Assoc. 22 (1927) 209."""
    low, high = stats.binomtest(successes, n).proportion_ci(confidence, "wilson")
    return float(low), float(high)


def bootstrap_mean(values, bounds: Interval = (0.0, 1.0), confidence: float = 0.95) -> Interval | None:
    """Interval of the mean of `values` (n,), which lie within `bounds`: bias-corrected and accelerated bootstrap (BCa), Efron,
    J. Am. Stat. Assoc. 82 (1987) 171; None for fewer than two values.

    Values that are all alike say nothing of their spread, and the bootstrap would give an interval of no width. Then the
    probability of that value c is at least the Clopper-Pearson limit L of n in n, and the rest lies within the bounds:
    [cL + low(1-L), cL + high(1-L)].
    """
    values = np.asarray(values, float)
    if len(values) < 2:
        return None
    if np.ptp(values) < 1e-12:
        least, c = clopper_pearson(len(values), len(values), confidence)[0], values[0]
        return tuple(float(c * least + bound * (1 - least)) for bound in bounds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (values,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, method="BCa", batch=1000,
            rng=np.random.default_rng(SEED),
        ).confidence_interval  # fmt: skip
    low, high = float(found.low), float(found.high)
    if not math.isfinite(low + high):
        return None
    return max(low, bounds[0]), min(high, bounds[1])


def mcnemar_exact(a_only: int, b_only: int) -> float:
    """p-value of equal success in pairs of which `a_only` succeeded with a alone and `b_only` with b alone.

    min(1, 2 P(X <= min(a_only, b_only))), X ~ Binomial(a_only + b_only, 1/2): McNemar, Psychometrika 12 (1947) 153; the
    exact conditional test in Fagerland, Lydersen and Laake, BMC Med. Res. Methodol. 13 (2013) 91.
    """
    n = a_only + b_only
    return float(stats.binomtest(a_only, n).pvalue) if n else 1.0


def sign_flip(differences) -> float:
    """p-value of paired `differences` (n,) being as likely of either sign: the share of sign flips whose sum is as far from 0.

    Fisher, The Design of Experiments (1935), section 21. Exact for up to 16 differences that are not 0 (those that are do not
    change the sum); of more, FLIPS are drawn and counted with the one that was seen, (1 + hits) / (1 + FLIPS): Phipson and
    Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39.
    """
    values = np.asarray(differences, float)
    values = values[values != 0]
    n = len(values)
    if not n:
        return 1.0
    least = abs(values.sum()) - 1e-9 * np.abs(values).sum()  # sums that differ in the last bit are the same
    if 2**n <= FLIPS:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float(np.mean(np.abs(signs @ values) >= least))
    rng, hits, block = np.random.default_rng(SEED), 0, 4096
    for _ in range(FLIPS // block):
        signs = 1 - 2 * rng.integers(0, 2, (block, n), dtype=np.int8)
        hits += int(np.sum(np.abs(signs @ values) >= least))
    return (1 + hits) / (1 + FLIPS)


def barnard(successes_a: int, n_a: int, successes_b: int, n_b: int) -> float:
    """Exact unconditional p-value of equal success of two independent samples, by the pooled score statistic: Barnard, Biometrika
    34 (1947) 123; Suissa and Shuster, J. R. Stat. Soc. A 148 (1985) 317."""
    if (successes_a, successes_b) in ((0, 0), (n_a, n_b)):
        return 1.0
    table = [[successes_a, successes_b], [n_a - successes_a, n_b - successes_b]]
    return min(1.0, float(stats.barnard_exact(table, alternative="two-sided").pvalue))


def newcombe(successes_a: int, n_a: int, successes_b: int, n_b: int, confidence: float = 0.95) -> Interval:
    """Interval of p_a - p_b of two independent samples, from the Wilson limits (l, u) of each: with d = a/n_a - b/n_b,
    [d - sqrt((p_a-l_a)² + (u_b-p_b)²), d + sqrt((u_a-p_a)² + (p_b-l_b)²)]: method 10 of Newcombe, Stat. Med. 17 (1998) 873."""
    p_a, p_b = successes_a / n_a, successes_b / n_b
    (l_a, u_a), (l_b, u_b) = wilson(successes_a, n_a, confidence), wilson(successes_b, n_b, confidence)
    d = p_a - p_b
    return d - math.hypot(p_a - l_a, u_b - p_b), d + math.hypot(u_a - p_a, p_b - l_b)


def trials_for_power(p_a: float, p_b: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Trials of each of two independent samples that show the difference of `p_a` and `p_b` with probability `power`; None if
    they are alike.

    (z_α/2 sqrt(2 p q) + z_β sqrt(p_a q_a + p_b q_b))² / (p_a - p_b)² with p their mean: Fleiss, Levin and Paik, Statistical Methods
    for Rates and Proportions (2003), formula 4.14.
    """
    if p_a == p_b:
        return None
    p = (p_a + p_b) / 2
    z_alpha, z_beta = stats.norm.ppf(1 - alpha / 2), stats.norm.ppf(power)
    spread = z_alpha * math.sqrt(2 * p * (1 - p)) + z_beta * math.sqrt(p_a * (1 - p_a) + p_b * (1 - p_b))
    return math.ceil(spread**2 / (p_a - p_b) ** 2)


def succeeded_by(times, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Time-to-success curve: at t (k,) seconds, ascending from 0 to `limit`, the share (k,) of trials that had succeeded.

    times: seconds of each trial until its success, None or above the limit: it did not succeed. Nothing is censored: a trial that
    failed early never succeeds, so the curve is the empirical distribution, a cumulative incidence.
    """
    done = np.sort([t for t in times if t is not None and t <= limit])
    share = np.arange(1, len(done) + 1) / max(len(times), 1)
    last = share[-1] if len(done) else 0.0
    return np.concatenate([[0.0], done, [limit]]), np.concatenate([[0.0], share, [last]])


def restricted_mean(times, limit: float) -> tuple[float, Interval | None]:
    """Restricted mean time to success within `limit` seconds and its BCa interval: the area above the curve of `succeeded_by`,
    which is the mean of min(t, limit) with t infinite where a trial did not succeed. Royston and Parmar, BMC Med. Res.
    Methodol. 13 (2013) 152. Raises ValueError without trials."""
    if not len(times):
        raise ValueError("no trials")
    capped = [limit if t is None else min(t, limit) for t in times]
    return float(np.mean(capped)), bootstrap_mean(capped, (0.0, limit))
