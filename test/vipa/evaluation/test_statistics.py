"""Intervals and tests against published values."""

import numpy as np
import pytest

from vipa.evaluation import statistics

# Newcombe, Stat. Med. 17 (1998) 857, table I: the Clopper-Pearson rows
CLOPPER_PEARSON = [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)]
# the same, the Wilson rows
WILSON = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
# Newcombe, Stat. Med. 17 (1998) 873, table II, method 10
NEWCOMBE = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0),
]
# Darwin's maize, differences in eighths of an inch; Fisher, The Design of Experiments, section 21: 863 of 32768 sums at least as large
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


@pytest.mark.parametrize("k, n, low, high", CLOPPER_PEARSON)
def test_clopper_pearson_as_published(k, n, low, high):
    assert statistics.clopper_pearson(k, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("k, n, low, high", WILSON)
def test_wilson_as_published(k, n, low, high):
    assert statistics.wilson(k, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("a, n_a, b, n_b, low, high", NEWCOMBE)
def test_newcombe_as_published(a, n_a, b, n_b, low, high):
    assert statistics.newcombe(a, n_a, b, n_b) == pytest.approx((low, high), abs=6e-5)
    assert statistics.newcombe(b, n_b, a, n_a) == pytest.approx((-high, -low), abs=6e-5)


def test_barnard_as_published():
    # 7 of 15 against 12 of 15 (scipy's and R's Barnard package's example): 0.0341 one-sided, 0.0681 two-sided
    assert statistics.barnard(7, 15, 12, 15) == pytest.approx(0.0681, abs=1e-4)
    assert statistics.barnard(12, 15, 7, 15) == pytest.approx(0.0681, abs=1e-4)
    assert statistics.barnard(0, 7, 0, 9) == statistics.barnard(7, 7, 9, 9) == 1.0


def test_mcnemar_as_published():
    # Bentur et al. in Fagerland, Lydersen and Laake (2013): 1 and 7 discordant pairs
    assert statistics.mcnemar_exact(1, 7) == pytest.approx(0.0703, abs=5e-5) == statistics.mcnemar_exact(7, 1)
    assert statistics.mcnemar_exact(0, 0) == 1.0


def test_sign_flips_as_fisher_counted_them():
    assert statistics.sign_flip(DARWIN) == 2 * 863 / 32768
    assert statistics.sign_flip(np.divide(DARWIN, 100)) == 2 * 863 / 32768  # ties stay ties in floating point
    assert statistics.sign_flip([*DARWIN, *[0] * 40]) == 2 * 863 / 32768  # those of no difference say nothing


def test_sign_flips_that_are_drawn_agree_with_those_that_are_counted(monkeypatch):
    monkeypatch.setattr(statistics, "FLIPS", 1 << 14)
    assert statistics.sign_flip(DARWIN) == pytest.approx(2 * 863 / 32768, abs=0.006)
    assert statistics.sign_flip(np.ones(40)) == 1 / (1 + (1 << 14))  # never 0
    assert statistics.sign_flip([]) == statistics.sign_flip([0.0]) == 1.0


def test_the_bootstrap_covers_the_mean_and_stays_within_the_bounds():
    rng, hits = np.random.default_rng(4), 0
    for _ in range(60):
        values = rng.beta(2, 1, 25)
        low, high = statistics.bootstrap_mean(values)
        hits += low <= 2 / 3 <= high
        assert 0 <= low < values.mean() < high <= 1
    assert hits >= 51  # of 60 at 95 %: fewer in one of 10,000 cases


def test_scores_that_are_all_alike_have_an_interval_of_some_width():
    least = statistics.clopper_pearson(10, 10)[0]
    assert statistics.bootstrap_mean([1.0] * 10) == (pytest.approx(least), 1.0)
    assert statistics.bootstrap_mean([0.0] * 10) == (0.0, pytest.approx(1 - least))
    assert statistics.bootstrap_mean([0.5] * 10) == pytest.approx((0.5 * least, 1 - 0.5 * least))
    assert statistics.bootstrap_mean([0.0] * 10, (-1.0, 1.0)) == pytest.approx((least - 1, 1 - least))
    assert statistics.bootstrap_mean([0.3]) is None


def test_trials_for_power_as_published():
    # Fleiss, Levin and Paik (2003), table A.4 gives these plus a continuity correction of about 2 / |difference|
    assert statistics.trials_for_power(0.60, 0.70) == 356
    assert statistics.trials_for_power(0.7, 0.6) == 356
    assert statistics.trials_for_power(0.5, 0.5) is None


def test_time_to_success_and_its_restricted_mean():
    t, share = statistics.succeeded_by([2.0, None, 4.0, 11.0], 10.0)
    assert t.tolist() == [0, 2, 4, 10] and share.tolist() == [0, 0.25, 0.5, 0.5]
    mean, interval = statistics.restricted_mean([2.0, None, 4.0, 11.0], 10.0)
    assert mean == 6.5 == 10 - np.sum(np.diff(t) * share[:-1])  # the area above the curve
    assert interval[0] < 6.5 < interval[1] <= 10
    assert statistics.succeeded_by([], 5.0)[1].tolist() == [0, 0]
