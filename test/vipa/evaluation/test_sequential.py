"""The test that may be looked at after every pair: its error under the null, its value by hand, its power."""

import numpy as np
import pytest

from vipa.evaluation import sequential


def ever_decided(differences: np.ndarray) -> float:
    """Share of sets (sets, pairs) in which somebody who looks after every pair sees a decision."""
    return float(np.mean([sequential.test(row).decided_at is not None for row in differences]))


def nulls(kind: str, sets: int, pairs: int, rng) -> np.ndarray:
    if kind == "success":  # two commanders of 60 %, each pair of one difficulty
        hard = rng.random((sets, pairs)) < 0.3
        rate = np.where(hard, 0.2, 0.77)
        return (rng.random((sets, pairs)) < rate).astype(float) - (rng.random((sets, pairs)) < rate)
    if kind == "scores":  # five sub-tasks in a row
        a, b = ((rng.random((sets, pairs, 5)) < 0.8).cumprod(-1).mean(-1) for _ in range(2))
        return a - b
    # skewed: mean 0, and as far from symmetric as [-1, 1] allows
    return np.where(rng.random((sets, pairs)) < 0.1, 0.9, -0.1)


@pytest.mark.parametrize("kind", ["success", "scores", "skewed"])
def test_whoever_looks_after_every_pair_errs_seldom(kind):
    found = ever_decided(nulls(kind, 500, 200, np.random.default_rng(7)))
    assert found <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 500)


def test_without_the_bets_being_fixed_in_advance_they_err_often():
    """The cause of the bound: the best stake in hindsight is no bet that somebody could have made."""
    x = nulls("success", 300, 200, np.random.default_rng(7))
    hindsight = np.log1p(x[:, :, None] * sequential.STAKES).cumsum(1).max(axis=(1, 2))
    assert np.mean(hindsight >= np.log(20)) > 0.1


def test_the_value_by_hand():
    w = sequential.STAKES[: len(sequential.STAKES) // 2]
    w = w / w.sum() / 2
    one = sequential.STAKES[: len(w)]
    expected = np.sum(w * ((1 + one) * (1 - 0.5 * one))) + np.sum(w * ((1 - one) * (1 + 0.5 * one)))
    assert sequential.test([1.0, -0.5]).e_value == pytest.approx(expected)
    assert sequential.test([]).e_value == pytest.approx(1.0)


def test_a_clear_difference_is_decided_and_its_direction_stays():
    found = sequential.test([1.0] * 10 + [-1.0] * 10)
    assert 6 <= found.decided_at <= 9 and found.direction == 1 and found.e_value < 20
    assert sequential.test([-1.0] * 10).direction == -1


@pytest.mark.parametrize("wrong", [[1.1], [np.nan]])
def test_what_is_outside_of_the_bounds_is_refused(wrong):
    with pytest.raises(ValueError, match="outside"):
        sequential.test(wrong)


def test_the_promised_number_of_pairs_decides_as_often_as_promised():
    rng = np.random.default_rng(3)
    seen = rng.choice([1.0, 0.0, -1.0], 20, p=[0.4, 0.45, 0.15])
    now = sequential.test(seen)
    more = sequential.more_pairs(now, seen)
    futures = rng.choice(seen, (300, more))
    assert 0.7 < ever_decided(np.concatenate([np.tile(seen, (300, 1)), futures], 1)) < 0.9
    assert sequential.more_pairs(sequential.test([0.0] * 9), [0.0] * 9) is None
    assert sequential.more_pairs(sequential.test([1.0] * 20), [1.0] * 20) == 0
