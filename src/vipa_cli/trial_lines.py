"""What `vipa evaluate` says while a set runs, and at its end."""

import time

from vipa.evaluation import comparison
from vipa.evaluation.plan import PlannedTrial, expand
from vipa.evaluation.trial_file import COUNTED, TrialRow
from vipa.evaluation.trial_set import TrialSet
from vipa.tasks.failures import explained

MARKS = {"done": "✓", "failed": "✗", "pending": "·"}


class Told:
    """Lines about the set `trials`. With a person at the cell they name no commander."""

    def __init__(self, trials: TrialSet):
        self.trials, self.blind = trials, trials.plan.cell == "real"
        self.total, self.began, self.ran = len(expand(trials.plan)), time.monotonic(), 0
        self.wall_s = self.sim_s = 0.0
        self.width = max(map(len, trials.plan.commanders))

    def begin(self, kept: bool) -> None:
        """What the set is, and how much of it there is already."""
        plan, done = self.trials.plan, self.total - len(self.trials.todo())
        print(
            f"{self.total} trials: {len(plan.commanders)} commander{'s' * (len(plan.commanders) > 1)}, "
            f"{self.total // len(plan.commanders)} scenes{f'; {self.trials.folder}' if kept else ''}"
        )
        if done:
            print(f"{done} of them are done")
        if self.trials.remark:
            print(f"note: {self.trials.remark}")

    def trial(self, trial: PlannedTrial, row: TrialRow, outcome=None) -> None:
        """One line a trial that is over."""
        self.ran += 1
        card = outcome.scorecard if outcome else None
        if card:
            self.wall_s, self.sim_s = self.wall_s + card.wall_s, self.sim_s + card.duration_s
        left = len(self.trials.todo())
        minutes = (time.monotonic() - self.began) / self.ran * left / 60
        who = "" if self.blind else f"{trial.commander:<{self.width}}  "
        done = "".join(MARKS[s.status] for s in card.subtasks) if card else ""
        if not done and row.subtask_score is not None:
            done = f"{100 * row.subtask_score:.0f} %"
        took = f"{row.duration_s:5.1f} s" if row.duration_s is not None else " " * 7
        text = f"{self.total - left:>4}/{self.total}  {row.task} {row.variant} {row.seed:<10}  {who}{done:<6} {took}  {row.verdict}"
        if card and card.failure:
            text += (
                f": {card.failure.subtask or card.failure.type}: {explained(card.failure.detail, card.failure_class)}"
            )
        elif row.failure_class:
            text += f": {row.failure_class}"
        if outcome and outcome.refused:
            text += f"  [{len(outcome.refused)} chunks refused: {outcome.refused[0]}]"
        print(f"{text}{f'  ({minutes:.0f} min left)' if minutes >= 1 else ''}", flush=True)

    def end(self, stopped: str) -> None:
        """The rates, and why the set stopped where it did."""
        rows = self.trials.rows
        if not self.blind or not self.trials.todo():
            print(rates(self.trials.plan.commanders, rows))
        if self.wall_s:
            print(f"{self.sim_s / self.wall_s:.1f}× real time a process")
        if void := [row for row in rows if row.verdict not in COUNTED]:
            print(f"{len(void)} trials do not count: " + ", ".join(f"{row.trial_id} {row.verdict}" for row in void))
        if stopped:
            print(f"stopped: {stopped}; the same call goes on")

    def document(self) -> dict:
        """What the set holds, for scripts: a summary a commander, and the trials."""
        rows = [row for row in self.trials.rows if row.counts]
        named = {name: [row for row in rows if row.commander == name] for name in self.trials.plan.commanders}
        summaries = {name: comparison.summary(mine) for name, mine in named.items() if mine}
        return {"commanders": summaries, "trials": self.trials.rows}


def rates(commanders, rows) -> str:
    """A line a commander, and one for each two of them."""
    counted = [row for row in rows if row.counts]
    names = [name for name in commanders if any(row.commander == name for row in counted)]
    width = max(map(len, names), default=0)
    lines = []
    for name in names:
        mine = [row for row in counted if row.commander == name]
        one = comparison.summary(mine)
        seconds = sum(row.duration_s or 0 for row in mine) / len(mine)
        stops = sum(row.verdict == "safety" for row in mine)
        lines.append(
            f"{name:<{width}}  {one['successes']}/{one['n']} succeeded (95 % interval {comparison.span(one['ci95'])} %), sub-tasks "
            f"{100 * one['score_mean']:.1f} % ({comparison.span(one['score_ci95'])}), {stops} safety stops, {seconds:.1f} s a trial"
        )
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            found = comparison.compare(counted, a, b)
            lines.append(comparison.conclusion(found, a, b))
    return "\n".join(lines)
