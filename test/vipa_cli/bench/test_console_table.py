"""The table of `vipa bench console`: what stands beside what."""

import pytest

from vipa_cli.bench.console import PHASES, Round, table
from vipa_cli.bench.console_hour import quarters


def rounds(jitter):
    """Three rounds on a machine that becomes busier; jitter: of five clients, over none."""
    for busy in (5.0, 10.0, 20.0):
        yield Round(PHASES[0], 20.0, (busy,) * 3)
        yield Round(PHASES[1], 20.0, (busy,) * 3, 0.02, memory_mb=100.0)
        yield Round(PHASES[2], 20.0, (busy * jitter,) * 3, 0.08, (50.0, 70.0), (60.0, 110.0 + busy), 7.5, 101.0)


@pytest.mark.parametrize("jitter", [1.0, 1.5])
def test_a_ratio_is_of_one_round_whatever_the_machine_does_between(jitter):
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(list(rounds(jitter)))]
    assert [line[0] for line in lines[2:]] == list(PHASES) and {len(line) for line in lines} == {9}
    assert lines[2][3] == "1" and lines[3][3] == "1.00 (1.00 to 1.00)"
    assert lines[4][3] == f"{jitter:.2f} ({jitter:.2f} to {jitter:.2f})"
    assert lines[4][4:] == ["8.0", "50 / 70", "60 / 120", "7.5", "101"]


def test_memory_is_told_by_quarters():
    assert quarters({"memory_mb": [1, 1, 2, 2, 3, 3, 4, 4]}) == [1, 2, 3, 4]
