"""`vipa bench statistics`: what the sequential test of `vipa compare` costs and promises, by simulated sets of paired trials.

Its errors where there is nothing to find, looked at after every pair; and how many pairs it takes beside a test whose number of pairs
is fixed in advance for a power of 80 %, where the difference is as planned, and where it is larger.
"""

from pathlib import Path

import numpy as np
from scipy.stats import norm

from vipa import files
from vipa.evaluation import sequential

ALPHA, POWER = 0.05, 0.8
NULL_PAIRS = 300  # after which a simulated set ends
SHARED = 0.3  # of the variance of a sub-task's difficulty that both trials of a pair meet
# sub-tasks, rates planned (a, b), rates true (a, b); a difference of scores of about 0.24, and of 0.39
CASES = {
    "success alone": (1, (0.62, 0.38), (0.695, 0.305)),
    "3 sub-tasks, apart": (3, (0.62, 0.38), (0.695, 0.305)),
    "5 sub-tasks, in a row": (5, (0.80, 0.62), (0.845, 0.55)),
}


def scores(rng, sets: int, pairs: int, subtasks: int, rate: float, shared: np.ndarray) -> np.ndarray:
    """(sets, pairs) scores of one commander. shared: (sets, pairs, 1) difficulty of each scene. Five sub-tasks depend each on the
    last."""
    own = rng.normal(size=(sets, pairs, subtasks))
    done = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own < norm.ppf(rate)
    return (done.cumprod(-1) if subtasks == 5 else done).mean(-1)


def differences(rng, sets: int, pairs: int, subtasks: int, rates) -> np.ndarray:
    """(sets, pairs) score of a less score of b."""
    shared = rng.normal(size=(sets, pairs, 1))
    return scores(rng, sets, pairs, subtasks, rates[0], shared) - scores(rng, sets, pairs, subtasks, rates[1], shared)


def null_sets(rng, sets: int, pairs: int = NULL_PAIRS) -> dict[str, np.ndarray]:
    """Sets in which there is nothing to find."""
    found = {name: differences(rng, sets, pairs, n, (p, p)) for name, (n, (p, _), _) in CASES.items()}
    found["skewed, mean 0"] = np.where(rng.random((sets, pairs)) < 0.1, 0.9, -0.1)
    return found


def decided_at(rows: np.ndarray) -> np.ndarray:
    """(sets,) pairs after which `sequential.test` decides each set of `rows` (sets, pairs), infinity where it does not."""
    values, kinds = np.unique(rows, return_inverse=True)
    kinds, steps = kinds.reshape(rows.shape), np.log1p(values[:, None] * sequential.STAKES)
    found = np.full(len(rows), np.inf)
    undecided, capitals = np.arange(len(rows)), np.zeros((len(rows), len(sequential.STAKES)))
    for number in range(rows.shape[1]):
        capitals = capitals + steps[kinds[undecided, number]]
        open_ = sequential.log_mixture(capitals) < -np.log(ALPHA)
        found[undecided[~open_]] = number + 1
        undecided, capitals = undecided[open_], capitals[open_]
    return found


def fixed_pairs(rng, subtasks: int, rates, sets: int = 2000) -> int:
    """Pairs with which a test of the mean difference has a power of 80 %, of 5 % significance."""
    n = 4
    while True:
        x = differences(rng, sets, n, subtasks, rates)
        spread = np.sqrt((x**2).sum(1) + 1e-12)  # of the sum under sign flips
        if np.mean(np.abs(x.sum(1)) / spread > norm.ppf(1 - ALPHA / 2)) >= POWER:
            return n
        n += 1


def run(json_path: Path | None, sets: int = 10_000, seed: int = 0) -> None:
    """Prints both tables. json_path: where the figures go, too."""
    rng = np.random.default_rng(seed)
    figures: dict = {"sets": sets, "false_positives": {}, "pairs": {}}
    print(
        f"said to differ in {sets} sets of {NULL_PAIRS} pairs without a difference, looked at after every pair (promised: 5 % at most)"
    )
    for name, rows in null_sets(rng, sets).items():
        rate = float(np.isfinite(decided_at(rows)).mean())
        figures["false_positives"][name] = rate
        print(f"  {name:<24} {100 * rate:5.2f} %", flush=True)
    print("pairs until it is decided, as a share of those of a fixed number with a power of 80 %")
    for name, (subtasks, planned, true) in CASES.items():
        fixed = fixed_pairs(rng, subtasks, planned)
        for label, rates in (("as planned", planned), ("larger", true)):
            x = differences(rng, sets // 5, 8 * fixed, subtasks, rates)
            shares = decided_at(x) / fixed
            row = {"difference": float(x.mean()), "fixed_pairs": fixed, "mean": float(np.minimum(shares, 8).mean()),
                   "p80": float(np.quantile(shares, 0.8)), "decided": float(np.isfinite(shares).mean())}  # fmt: skip
            figures["pairs"][f"{name}, {label}"] = row
            print(
                f"  {name:<24} {label:<10} difference {row['difference']:.2f}  fixed {fixed:>3}  mean {row['mean']:.2f}  four of five within "
                f"{row['p80']:.2f}  decided {100 * row['decided']:.0f} %",
                flush=True,
            )
    if json_path:
        files.write_json(json_path, figures)
