"""A set of trials on disk: its plan, what it was begun with, what has been run. It goes on where it was stopped, however it was.

plan.yaml      the plan                 set.json     hashes of what was begun with, provenance
trials.jsonl   a line a trial           latency.json inference times that are charged
trials/<id>/   the run folder of each
"""

import dataclasses
import fcntl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

from vipa import config, documents, files, provenance
from vipa.errors import VipaError
from vipa.evaluation import trial_file
from vipa.evaluation.plan import Plan, PlannedTrial, expand
from vipa.evaluation.trial_file import TrialRow
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task

SCHEMA = "vipa/set/1"
MAX_REDOS = 3  # times that a pair meets a fault of the cell before somebody has to look


@dataclass(frozen=True)
class Begun:
    """What a set was begun with (set.json). commanders: name → SHA-256. files: task and robot files → fingerprint."""

    plan_sha256: str
    commanders: dict[str, str]
    files: dict[str, str]
    git: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    schema: Literal["vipa/set/1"] = SCHEMA


def begun(plan: Plan, checkpoints: Mapping[str, str]) -> Begun:
    """What a set of `plan` would be begun with now. checkpoints: commander → SHA-256 of its weights, "": it has none, then that of its
    entry in the plan stands for it. Raises VipaError."""
    commanders = {name: checkpoints.get(name) or config.fingerprint(e) for name, e in plan.commanders.items()}
    hashes = {}
    for name in plan.tasks:
        task = load_task(name)
        hashes[f"task {task.name}"] = config.fingerprint(task)
        robot = load_robot(plan.robot or task.robot)
        hashes[f"robot {robot.name}"] = config.fingerprint(robot)
    return Begun(plan.sha256, commanders, hashes, provenance.git_commit(), provenance.versions())


class TrialSet:
    """The set in `folder`, made if it is not there; one process at a time. Used as a context, which ends its hold on the folder.

    Raises VipaError if the folder holds a set that was begun with something else, and names what differs.
    """

    def __init__(self, folder: Path, plan: Plan, now: Begun):
        self.folder, self.plan, self.now = Path(folder), plan, now
        self._lock = hold(self.folder)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        path = self.folder / "set.json"
        self.remark = ""
        if path.exists():
            first = config.build(documents.read_json(path), Begun, str(path))
            _refuse_other(self.folder, first, self.now)
            if first.git != self.now.git:
                self.remark = f"begun at commit {first.git}, goes on at {self.now.git}"
        elif self.file.exists():
            raise VipaError(f"{self.folder}: trials without set.json; name another folder with --out")
        else:
            files.write_yaml(self.folder / "plan.yaml", dataclasses.asdict(self.plan))
            files.write_json(path, dataclasses.asdict(self.now))
        trial_file.repair(self.file)
        self.rows = trial_file.read(self.file) if self.file.exists() else []

    def close(self) -> None:
        self._lock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def file(self) -> Path:
        return self.folder / trial_file.NAME

    def run_folder(self, trial: PlannedTrial) -> Path:
        """Where the trial leaves what it leaves."""
        return self.folder / "trials" / trial.trial_id

    def todo(self) -> list[PlannedTrial]:
        """The trials that are still to be run, in their order, pairs that are redone in their old place.

        Raises VipaError when a pair has met faults of the cell MAX_REDOS times.
        """
        attempts = self._attempts()
        done = {row.trial_id for row in self.rows}
        found = []
        for trial in expand(self.plan):
            attempt = attempts.get(trial.card.pair_id, 1)
            if attempt > 1:
                trial = dataclasses.replace(trial, attempt=attempt, trial_id=f"{trial.trial_id}-{attempt}")
            if trial.trial_id not in done:
                found.append(trial)
        if worn := next((p for p, attempt in attempts.items() if attempt > MAX_REDOS), None):
            why = [row.failure_class for row in self.rows if row.pair_id == worn and row.verdict == "system"]
            raise VipaError(
                f"{self.folder}: pair {worn} met a fault of the cell {MAX_REDOS} times ({'; '.join(map(str, why))}): the cell is to be mended; "
                f"then begin a new set with --out"
            )
        return found

    def record(self, trial: PlannedTrial, row: TrialRow) -> None:
        """Writes the trial's line. A fault of the cell discards what its pair has so far, and the pair is run again; a trial of a pair
        that has been discarded meanwhile is written as such. Raises VipaError."""
        if trial.attempt < self._attempts().get(trial.card.pair_id, 1):
            row = dataclasses.replace(row, verdict="discarded")
        if row.verdict != "system":
            trial_file.append(self.file, row)
            self.rows.append(row)
            return
        ours = {t.trial_id for t in self._pair(trial)}
        self.rows = [dataclasses.replace(r, verdict="discarded") if r.trial_id in ours else r for r in self.rows]
        self.rows.append(row)
        trial_file.write(self.file, self.rows)

    def row(self, trial: PlannedTrial, **fields: Any) -> TrialRow:
        """The line of `trial` with `fields` that its run gave: verdict, success, subtask_score, and so on."""
        told = {
            "trial_id": trial.trial_id,
            "pair_id": trial.card.pair_id,
            "task": load_task(trial.card.task).name,
            "variant": trial.card.variant,
            "seed": trial.card.seed,
            "commander": trial.commander,
            "commander_sha256": self.now.commanders[trial.commander],
            "plan_sha256": self.now.plan_sha256,
            "order": trial.order,
            "run_folder": str(self.run_folder(trial).relative_to(self.folder)),
        }
        return TrialRow(**(told | fields))

    def _attempts(self) -> dict[str, int]:
        """pair_id → which attempt at it is under way, for pairs that met a fault."""
        found: dict[str, int] = {}
        for row in self.rows:
            if row.verdict == "system" and row.pair_id is not None:
                found[row.pair_id] = found.get(row.pair_id, 1) + 1
        return found

    def _pair(self, trial: PlannedTrial) -> list[PlannedTrial]:
        """The trials of the same attempt at the pair."""
        suffix = f"-{trial.attempt}" if trial.attempt > 1 else ""
        same = [t for t in expand(self.plan) if t.card.pair_id == trial.card.pair_id]
        return [dataclasses.replace(t, trial_id=f"{t.trial_id}{suffix}", attempt=trial.attempt) for t in same]


def hold(folder: Path) -> TextIO:
    """Makes the folder of a set and takes its lock, which ends with its holder. Raises VipaError if another process runs the set."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / ".lock").open("a", encoding="utf-8")
    except OSError as error:
        raise files.disk_error(folder, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise VipaError(f"{folder}: another process runs this set") from None
    return handle


def _refuse_other(folder: Path, first: Begun, now: Begun) -> None:
    told = ["the plan"] if first.plan_sha256 != now.plan_sha256 else []
    for kind, before, after in (("commander", first.commanders, now.commanders), ("", first.files, now.files)):
        told += [f"{kind} {name}".strip() for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    if told:
        raise VipaError(
            f"{folder}: was begun with other contents of: {', '.join(told)}; its trials and new ones could not be compared. Name another "
            "folder with --out, or put back what it was begun with"
        )
