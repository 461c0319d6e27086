"""What the report of a set of trials shows, as JSON values: rates with intervals, comparisons, sub-tasks, failures, times."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from vipa import config, documents
from vipa.errors import VipaError
from vipa.evaluation import comparison, preferences, statistics, trial_file
from vipa.evaluation import plan as plans
from vipa.evaluation.trial_file import TrialRow
from vipa.evaluation.trial_set import Begun
from vipa.tasks.scorecard import Scorecard, read
from vipa.tasks.task import load_task

SCHEMA = "vipa/set-report/1"


def of_set(folder: Path) -> dict:
    """The report's data of the set in `folder`. Raises VipaError if it has no trials that count."""
    folder = Path(folder)
    rows = sorted(trial_file.read(folder / trial_file.NAME), key=lambda row: (row.order, row.trial_id))
    counted = [row for row in rows if row.counts]
    if not counted:
        raise VipaError(f"{folder}: no trial that counts yet")
    plan = plans.load(folder / "plan.yaml") if (folder / "plan.yaml").is_file() else None
    begun = _begun(folder)
    present = {row.commander for row in counted}
    names = [n for n in (plan.commanders if plan else sorted(present)) if n in present]
    cards = {row.trial_id: card for row in counted if (card := card_of(folder, row))}
    commanders = {name: _commander(name, counted, plan, begun) for name in names}
    beside = _measure(names, plan)
    for one in commanders.values():
        measure = commanders[beside]["successes_an_hour"] if beside else None
        one["throughput_beside"] = (one["successes_an_hour"] or 0.0) / measure if measure else None
    return {
        "schema": SCHEMA,
        "folder": folder.resolve().name,
        "cell": plan.cell if plan else None,
        "planned": len(plans.expand(plan)) if plan else None,
        "commanders": commanders,
        "beside": beside,
        "columns": _columns(names, counted),
        "comparisons": _comparisons(names, rows, preferences.read(folder)),
        "funnels": _funnels(names, counted, cards),
        "failures": _failures(names, counted),
        "times": _times(names, counted, plan),
        "void": [{"trial_id": r.trial_id, "verdict": r.verdict, "why": r.failure_class} for r in rows if not r.counts],
        "trials": [_trial(folder, row, cards.get(row.trial_id)) for row in rows],
        "provenance": {"plan_sha256": counted[0].plan_sha256, "git": begun.git, "versions": begun.versions, "files": begun.files},
    }  # fmt: skip


def check_finished(folder: Path) -> None:
    """Raises VipaError for a set on a real cell that is not finished: the person who resets the scenes is not to know how the
    commanders do."""
    path, trials = Path(folder) / "plan.yaml", Path(folder) / trial_file.NAME
    plan = plans.load(path) if path.is_file() and trials.is_file() else None
    if plan is None or plan.cell != "real":
        return
    rows = trial_file.read(trials)
    # one that nobody could judge counts for nothing, and is over all the same
    done = {(row.pair_id, row.commander) for row in rows if row.counts or row.verdict == "unscored"}
    if left := len(plans.expand(plan)) - len(done):
        raise VipaError(
            f"{folder}: {left} trials are left, and this names the commanders; finish the set, or say --unblind"
        )


def card_of(folder: Path, row: TrialRow) -> Scorecard | None:
    """The scorecard that the trial has left, if it is there."""
    path = folder / (row.run_folder or "") / "scorecard.json"
    return read(path) if row.run_folder and path.is_file() else None


def column_of(row: TrialRow) -> str:
    """The task and the plan's variant of a trial: "water_plant unseen"."""
    named = (row.pair_id or "").removeprefix(f"{row.task}-").rpartition("-")[0]
    return f"{row.task} {named or row.variant}".strip()


def _begun(folder: Path) -> Begun:
    path = folder / "set.json"
    return config.build(documents.read_json(path), Begun, str(path)) if path.is_file() else Begun("", {}, {})


def _commander(name: str, rows: Sequence[TrialRow], plan, begun: Begun) -> dict:
    mine = [row for row in rows if row.commander == name]
    hours = sum(row.duration_s or 0.0 for row in mine) / 3600
    wins = sum(bool(row.success) for row in mine)
    asked = plan.commanders[name] if plan else None
    return comparison.summary(mine) | {
        "policy": asked.policy if asked else None,
        "sha256": begun.commanders.get(name) or mine[0].commander_sha256,
        "successes_an_hour": wins / hours if hours else None,
        "seconds_a_trial": 3600 * hours / len(mine),
        "verdicts": dict(Counter(row.verdict for row in mine)),
        "latency_p50_s": _middle([row.latency for row in mine], "p50_s"),
        "latency_p99_s": _middle([row.latency for row in mine], "p99_s"),
    }


def _measure(names: Sequence[str], plan) -> str | None:
    """Beside whose throughput the others' stands: the undisturbed expert's, else a person's, None: neither was tried."""
    entries = {name: plan.commanders[name] for name in names} if plan else {}
    expert = [name for name, entry in entries.items() if entry.policy == "expert" and not entry.noise]
    person = [name for name, entry in entries.items() if entry.policy.startswith("teleop:")]
    return next(iter(expert + person), None)


def _middle(latencies, key: str) -> float | None:
    values = sorted(x[key] for x in latencies if isinstance(x, dict) and type(x.get(key)) in (int, float))
    return values[len(values) // 2] if values else None


def _columns(names, rows) -> dict:
    """Task and variant → commander → summary: the paper's table."""
    found: dict = {}
    for column in dict.fromkeys(sorted(map(column_of, rows))):
        here = [row for row in rows if column_of(row) == column]
        by_name = {name: [row for row in here if row.commander == name] for name in names}
        found[column] = {name: comparison.summary(mine) for name, mine in by_name.items() if mine}
    return found


def _comparisons(names, rows, preferred) -> list[dict]:
    found = []
    for a, b in combinations(names, 2):
        result = comparison.compare(rows, a, b)
        words = {"says": comparison.conclusion(result, a, b), "preference": preferences.words(preferred, rows, a, b)}
        found.append({"names": [a, b], **words, **result})
    return found


def several(comparisons: Sequence[dict]) -> str:
    """What several comparisons in one report are worth, "" of one: each may err, so that some does more often."""
    if len(comparisons) < 2:
        return ""
    alpha = comparisons[0]["sequential"]["alpha"]
    count, worst = len(comparisons), min(1.0, len(comparisons) * alpha)
    return (
        f"{count} comparisons: each says a difference where there is none in at most {100 * alpha:.0f} % of sets, so that one of them does in "
        f"up to {100 * worst:.0f} %; whoever wants {100 * alpha:.0f} % for all together waits for an e-value of {count / alpha:.0f}"
    )


def _funnels(names, rows, cards: dict[str, Scorecard]) -> dict:
    """Task → commander → [sub-task, trials that did it, trials]."""
    found: dict = {}
    for row in rows:
        if card := cards.get(row.trial_id):
            steps = found.setdefault(row.task, {name: {} for name in names})[row.commander]
            for subtask in card.subtasks:
                done, n = steps.get(subtask.name, (0, 0))
                steps[subtask.name] = (done + (subtask.status == "done"), n + 1)
    return {t: {n: [[s, *c] for s, c in steps.items()] for n, steps in of.items() if steps} for t, of in found.items()}


def _failures(names, rows) -> dict:
    """Failure class → commander → trials, the most frequent first."""
    counts = Counter(row.failure_class or row.verdict for row in rows if not row.success)
    return {
        kind: {
            name: sum((r.failure_class or r.verdict) == kind and not r.success and r.commander == name for r in rows)
            for name in names
        }
        for kind, _ in counts.most_common()
    }


def _times(names, rows, plan) -> dict:
    """Task → limit in seconds and, a commander, its curve and restricted mean. The limit is the task's, without a plan the
    longest trial's time."""
    limits = {task.name: task.time_limit for task in map(load_task, plan.tasks)} if plan else {}
    found: dict = {}
    for task in sorted({row.task for row in rows}):
        here = [row for row in rows if row.task == task and row.duration_s is not None]
        if not here:
            continue
        limit = max([limits.get(task, 0.0), *(row.duration_s for row in here)])
        curves = {}
        for name in names:
            times = [row.duration_s if row.success else None for row in here if row.commander == name]
            if times:
                x, y = statistics.succeeded_by(times, limit)
                mean, interval = statistics.restricted_mean(times, limit)
                curves[name] = {"t": x.tolist(), "share": y.tolist(), "restricted_mean_s": mean, "ci95": interval}
        found[task] = {"limit_s": limit, "commanders": curves}
    return found


def _trial(folder: Path, row: TrialRow, card: Scorecard | None) -> dict:
    run = folder / (row.run_folder or "")
    names = ("report.html", "video.mp4", "scorecard.json", "scene.json", "strip.jpg", "bag") if row.run_folder else ()
    return {
        "trial_id": row.trial_id,
        "pair_id": row.pair_id,
        "task": row.task,
        "variant": row.variant,
        "seed": row.seed,
        "commander": row.commander,
        "verdict": row.verdict,
        "score": row.subtask_score,
        "duration_s": row.duration_s,
        "failure_class": row.failure_class,
        "detail": f"{card.failure.subtask}: {card.failure.detail}" if card and card.failure else None,
        "notes": _notes(run),
        "files": [f"{row.run_folder}/{name}" for name in names if (run / name).exists()],
    }


def _notes(run: Path) -> str | None:
    """What the person at a real cell wrote of the trial."""
    path = run / "notes.json"
    return (
        config.build(documents.read_json(path), dict[str, str | None], str(path)).get("notes")
        if path.is_file()
        else None
    )
