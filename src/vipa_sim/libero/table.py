"""Results in the form of the paper's LIBERO table: success by suite, their average, and intervals."""

from collections.abc import Mapping, Sequence

import numpy as np

from vipa.evaluation import statistics
from vipa.evaluation.trial_file import TrialRow
from vipa_sim.libero import suites

RESAMPLES = 4000


def summary(rows: Sequence[TrialRow], names: Sequence[str]) -> dict:
    """Of one policy's rows, by suite: n, successes, rate, ci95 (Clopper–Pearson). average: mean of the four suites that papers average, None where one is
    missing, with a bootstrap interval over trials within suites."""
    found = {}
    for name in names:
        mine = [row for row in rows if row.task == name and row.counts]
        if mine:
            wins = sum(bool(row.success) for row in mine)
            found[name] = {
                "n": len(mine),
                "successes": wins,
                "rate": wins / len(mine),
                "ci95": list(statistics.clopper_pearson(wins, len(mine))),
            }
    whole = all(name in found for name in suites.AVERAGED)
    return {"suites": found, "average": average({n: found[n] for n in suites.AVERAGED}) if whole else None}


def average(found: dict) -> dict:
    """Mean of the suites' rates with the 2.5 and 97.5 % quantiles of its parametric bootstrap: binomial draws at (successes + 1/2) / (n + 1),
    Jeffreys' estimate, so that a suite without a failure has an interval, too (Brown, Cai, DasGupta, Stat. Sci. 16 (2001) 101)."""
    rng = np.random.default_rng(0)
    draws = [rng.binomial(s["n"], (s["successes"] + 0.5) / (s["n"] + 1), RESAMPLES) / s["n"] for s in found.values()]
    low, high = np.quantile(np.mean(draws, axis=0), (0.025, 0.975))
    return {"rate": float(np.mean([s["rate"] for s in found.values()])), "ci95": [float(low), float(high)]}


def markdown(found: Mapping[str, dict]) -> str:
    """The table, a line a policy: percent, 95 % interval, successes of trials. found: policy → its summary."""
    names = list(dict.fromkeys(name for one in found.values() for name in one["suites"]))
    head = ["", *(suites.title(name) for name in names), "Average"]
    lines = [" | ".join(head), " | ".join(["---"] * len(head))]
    for policy, one in found.items():
        cells = [_cell(one["suites"][name]) if name in one["suites"] else "–" for name in names]
        mean = one["average"]
        cells.append(f"{100 * mean['rate']:.1f} ({_span(mean['ci95'])})" if mean else "–")
        lines.append(" | ".join([policy, *cells]))
    return "".join(f"| {line} |\n" for line in lines)


def _cell(suite: dict) -> str:
    return f"{100 * suite['rate']:.1f} ({_span(suite['ci95'])}), {suite['successes']}/{suite['n']}"


def _span(interval) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
