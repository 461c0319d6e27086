"""What docs/evaluation.md says of the test that may be looked at after every pair, by simulated sets: its errors, its price, its gain."""

import numpy as np
import pytest

from vipa.evaluation import sequential
from vipa_cli.bench import statistics

SETS = 10_000
PAIRS = 100


def test_sets_are_decided_as_by_the_test_itself():
    rows = statistics.differences(np.random.default_rng(1), 40, PAIRS, 3, (0.62, 0.38))
    by_one = [sequential.test(row).decided_at for row in rows]
    assert statistics.decided_at(rows).tolist() == [np.inf if at is None else at for at in by_one]


@pytest.fixture(scope="module")
def nulls():
    return statistics.null_sets(np.random.default_rng(7), SETS, PAIRS)


@pytest.mark.parametrize("kind", [*statistics.CASES, "skewed, mean 0"])
def test_whoever_looks_after_every_pair_errs_in_one_of_twenty_sets_at_most(nulls, kind):
    assert nulls[kind].shape == (SETS, PAIRS)
    assert 0.01 < np.isfinite(statistics.decided_at(nulls[kind])).mean() <= 0.05


# share of the pairs of a fixed number with a power of 80 %: as planned, and where the difference is larger. 3 sub-tasks apart: whoever knew beforehand
# who is better, and bet what turns out best, would need 0.55
SHARES = {"success alone": (1.3, 0.55), "3 sub-tasks, apart": (1.5, 0.85), "5 sub-tasks, in a row": (1.25, 0.62)}


@pytest.mark.parametrize("case", statistics.CASES)
def test_its_price_and_its_gain(case):
    rng = np.random.default_rng(3)
    subtasks, planned, larger = statistics.CASES[case]
    fixed = statistics.fixed_pairs(rng, subtasks, planned, 1000)
    for rates, most in zip((planned, larger), SHARES[case], strict=True):
        decided = statistics.decided_at(statistics.differences(rng, 500, 8 * fixed, subtasks, rates))
        assert np.minimum(decided / fixed, 8).mean() < most
