"""What the trials of two commanders allow one to say of them: the JSON of `vipa compare`, and its words."""

from collections.abc import Sequence

import numpy as np

from vipa.errors import VipaError, unknown
from vipa.evaluation import sequential, statistics
from vipa.evaluation.trial_file import TrialRow

Pairs = list[tuple[TrialRow, TrialRow]]


def compare(rows: Sequence[TrialRow], a: str, b: str, task: str = "") -> dict:
    """Commander `a` beside `b` on `task` ("": all that both have met), as JSON values; trials that do not count are left out.

    Where pairs were run (trials of one scene card) the verdict is the sequential test's on the sub-task scores of the pairs, which
    holds whenever it is looked at; else Barnard's on success, which holds for a number of trials fixed in advance. Raises
    VipaError for a commander or a task that has no trials.
    """
    mine, theirs = trials_of(rows, a, task), trials_of(rows, b, task)
    if a == b:
        raise VipaError(f"commander '{a}' beside itself; name two")
    wins_a, wins_b = (sum(row.success for row in of) for of in (mine, theirs))
    pairs = paired(mine, theirs)
    differences = np.array([x.subtask_score - y.subtask_score for x, y in pairs])
    barnard = statistics.barnard(wins_a, len(mine), wins_b, len(theirs))
    now = sequential.test(differences)
    if pairs:
        direction, more = now.direction, sequential.more_pairs(now, differences)
    else:
        rate_a, rate_b = wins_a / len(mine), wins_b / len(theirs)
        direction = int(np.sign(rate_a - rate_b)) if barnard <= now.alpha else 0
        wanted = statistics.trials_for_power(rate_a, rate_b)
        more = 0 if direction else None if wanted is None else max(1, wanted - min(len(mine), len(theirs)))
    return {
        "a": summary(mine),
        "b": summary(theirs),
        "paired": _paired(pairs, differences) if pairs else None,
        "unpaired": {
            "barnard_p": barnard,
            "newcombe_ci95": _list(statistics.newcombe(wins_a, len(mine), wins_b, len(theirs))),
        },
        "sequential": {"alpha": now.alpha, "e_value": now.e_value, "decided_at": now.decided_at},
        "verdict": {1: "a better", -1: "b better", 0: "not shown"}[direction],
        "more_trials_for_80_power": more,
    }


def rows_of_counts(counts: dict[str, str]) -> list[TrialRow]:
    """Trials of no pairs from counts of successes by commander, as published: {"a": "6/20"}. Their score is their success.

    Raises VipaError for what is no count.
    """
    rows = []
    for name, text in counts.items():
        wins, _, n = text.partition("/")
        if not (wins.isdecimal() and n.isdecimal()) or not int(wins) <= int(n) <= 10_000 or int(n) == 0:
            raise VipaError(f"counts: '{text}'; allowed: successes of trials, as 6/20, of at most 10000")
        for i in range(int(n)):
            done = i < int(wins)
            verdict = "success" if done else "failure"
            identity = {"trial_id": f"{name} {i}", "pair_id": None, "task": "counts", "commander": name}
            rows.append(TrialRow(**identity, verdict=verdict, success=done, subtask_score=float(done)))
    return rows


def trials_of(rows: Sequence[TrialRow], commander: str, task: str = "") -> list[TrialRow]:
    """Those of `commander` on `task` ("": any) that count, in the planned order. Raises VipaError if there are none."""
    if commander not in {row.commander for row in rows}:
        raise unknown("commander", commander, {row.commander for row in rows})
    if task and task not in {row.task for row in rows}:
        raise unknown("task", task, {row.task for row in rows})
    found = [row for row in rows if row.commander == commander and row.counts and task in ("", row.task)]
    if not found:
        raise VipaError(f"commander '{commander}' has no trials that count{f' on task {task!r}' if task else ''}")
    return sorted(found, key=lambda row: row.order)


def paired(mine: Sequence[TrialRow], theirs: Sequence[TrialRow]) -> Pairs:
    """Trials of the same scene card, in the order of the later of the two."""
    other = {(row.task, row.pair_id): row for row in theirs if row.pair_id is not None}
    found = [(row, other[row.task, row.pair_id]) for row in mine if (row.task, row.pair_id) in other]
    return sorted(found, key=lambda pair: max(row.order for row in pair))


def summary(rows: Sequence[TrialRow]) -> dict:
    """One commander's rate and score with their 95 % intervals. rows: at least one, all of them count."""
    wins, scores = sum(row.success for row in rows), [row.subtask_score for row in rows]
    return {
        "n": len(rows),
        "successes": wins,
        "rate": wins / len(rows),
        "ci95": _list(statistics.clopper_pearson(wins, len(rows))),
        "score_mean": float(np.mean(scores)),
        "score_ci95": _list(statistics.bootstrap_mean(scores)),
    }


def _paired(pairs: Pairs, differences: np.ndarray) -> dict:
    both, a_only, b_only, neither = (
        sum((x.success, y.success) == kind for x, y in pairs)
        for kind in ((True, True), (True, False), (False, True), (False, False))
    )
    return {
        "pairs": len(pairs),
        "both": both,
        "a_only": a_only,
        "b_only": b_only,
        "neither": neither,
        "mcnemar_exact_p": statistics.mcnemar_exact(a_only, b_only),
        "score_diff_mean": float(np.mean(differences)),
        "score_diff_ci95": _list(statistics.bootstrap_mean(differences, (-1.0, 1.0))),
        "sign_flip_p": statistics.sign_flip(differences),
    }


def _list(interval) -> list[float] | None:
    return None if interval is None else [float(value) for value in interval]


def words(found: dict, a: str, b: str) -> str:
    """The result of `compare` for a person: a table and what it says."""
    width = max(len(a), len(b), 9)
    lines = [f"{'':<{width}}  {'success':>9}  {'rate':>6}  {'95 %':>12}  {'sub-tasks':>9}  {'95 %':>12}"]
    for name, key in ((a, "a"), (b, "b")):
        one = found[key]
        lines.append(
            f"{name:<{width}}  {one['successes']:>4} / {one['n']:<2}  {percent(one['rate']):>6}  {span(one['ci95']):>12}  "
            f"{percent(one['score_mean']):>9}  {span(one['score_ci95']):>12}"
        )
    if pair := found["paired"]:
        lines.append(
            f"{pair['pairs']} pairs: both {pair['both']}, {a} alone {pair['a_only']}, {b} alone {pair['b_only']}, neither {pair['neither']}; "
            f"sub-task scores differ by {100 * pair['score_diff_mean']:+.0f} points (95 % {span(pair['score_diff_ci95'])})"
        )
        lines.append(
            f"if the number of pairs was fixed in advance: McNemar p = {pair['mcnemar_exact_p']:.3g} on success, sign flips p = "
            f"{pair['sign_flip_p']:.3g} on scores"
        )
    lines.append(
        f"as independent trials: Barnard p = {found['unpaired']['barnard_p']:.3g}, rates differ by {span(found['unpaired']['newcombe_ci95'])} points"
    )
    return "\n".join([*lines, conclusion(found, a, b)])


def conclusion(found: dict, a: str, b: str) -> str:
    """One sentence: what is shown, by which test, and what more it would take."""
    test, more = found["sequential"], found["more_trials_for_80_power"]
    names = {"a better": (a, b), "b better": (b, a)}
    if found["paired"]:
        told = f"e-value {test['e_value']:.3g}; {1 / test['alpha']:g} decides"
        unit = "pairs"
    else:
        told, unit = (
            f"Barnard p = {found['unpaired']['barnard_p']:.3g}, for a number of trials fixed in advance",
            "trials of each",
        )
    if found["verdict"] in names:
        better, worse = names[found["verdict"]]
        after = f", shown after {test['decided_at']} pairs" if found["paired"] else ""
        return f"{better} is better than {worse}{after} ({told})"
    wanted = (
        f"some {more} more {unit} would show it in 8 of 10 cases, if the truth is as seen"
        if more
        else "no difference was seen, or one too small to show"
    )
    return f"of {a} and {b} neither is shown to be better ({told}); {wanted}"


def percent(value: float) -> str:
    """A share as "42 %"."""
    return f"{100 * value:.0f} %"


def span(interval) -> str:
    """An interval in per cent."""
    return "–" if interval is None else f"{100 * interval[0]:.0f} to {100 * interval[1]:.0f}"
