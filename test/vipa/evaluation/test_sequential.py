"""The test that may be looked at after every pair: its value by hand, its power. Its errors by 10,000 sets: test/vipa_cli/bench/test_sequential_sets.py."""

import numpy as np
import pytest

from vipa.evaluation import sequential


def ever_decided(differences: np.ndarray) -> float:
    """Share of sets (sets, pairs) in which somebody who looks after every pair sees a decision."""
    return float(np.mean([sequential.test(row).decided_at is not None for row in differences]))


def nulls(sets: int, pairs: int, rng) -> np.ndarray:
    """Two commanders of 60 %, each pair of one difficulty."""
    rate = np.where(rng.random((sets, pairs)) < 0.3, 0.2, 0.77)
    return (rng.random((sets, pairs)) < rate).astype(float) - (rng.random((sets, pairs)) < rate)


def test_without_the_bets_being_fixed_in_advance_they_err_often():
    """The cause of the bound: the best stake in hindsight is no bet that somebody could have made."""
    x = nulls(300, 200, np.random.default_rng(7))
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
