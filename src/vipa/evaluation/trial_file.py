"""trials.jsonl of a set of trials: one JSON object a line, schema "vipa/trial/1", each written when its trial is over."""

import dataclasses
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from vipa import config, documents, files
from vipa.config import Range
from vipa.errors import VipaError

SCHEMA = "vipa/trial/1"
NAME = "trials.jsonl"
COUNTED = ("success", "failure", "out_of_time", "safety")  # verdicts that the commander has earned
Verdict = Literal["success", "failure", "out_of_time", "safety", "system", "unscored", "discarded"]


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One trial. pair_id: of its scene card, the same for every commander that met it, None: it met none with others. order: place in
    the planned order. system: a fault of the cell; unscored: nobody judged it; discarded: of a pair that was redone.

    commander_sha256: of a checkpoint's weights, else of the commander's settings. duration_s: ROS time. latency: what inference
    was charged, see `vipa.evaluation.latency`. run_folder: relative to the file's folder, "": none.
    """

    schema: Literal["vipa/trial/1"] = SCHEMA
    trial_id: str
    pair_id: str | None
    task: str
    variant: str = ""
    seed: int | None = None
    commander: str
    commander_sha256: str | None = None
    plan_sha256: str | None = None
    order: int = 0
    verdict: Verdict
    success: bool | None
    subtask_score: Annotated[float, Range(0, 1)] | None
    duration_s: Annotated[float, Range(0)] | None = None
    latency: Any = None
    failure_class: str | None = None
    run_folder: str | None = None

    def __post_init__(self):
        if self.counts and (self.success is None or self.subtask_score is None):
            raise ValueError(f"verdict '{self.verdict}' without success or subtask_score")
        if self.counts and self.success != (self.verdict == "success"):
            raise ValueError(f"success: {self.success} does not match verdict '{self.verdict}'")

    @property
    def counts(self) -> bool:
        """Whether the trial says something of its commander."""
        return self.verdict in COUNTED


def read(path: Path) -> list[TrialRow]:
    """The trials in `path`, in the file's order. A last line without its end, which a kill has left, is not one.

    Raises VipaError that names the line, the key and what is allowed; also for two trials of one id, or two of one commander
    that count for one pair.
    """
    found = []
    ids: dict[str, int] = {}
    pairs: dict[tuple, int] = {}
    for number, text in enumerate(documents.read_lines(path), 1):
        where = f"{path}:{number}"
        row = config.build(documents.parse_json(text, where), TrialRow, where)
        if row.trial_id in ids:
            raise VipaError(f"{where}: trial_id '{row.trial_id}' stands in line {ids[row.trial_id]}, too")
        ids[row.trial_id] = number
        if row.counts and row.pair_id is not None:
            key = row.task, row.pair_id, row.commander
            if key in pairs:
                raise VipaError(
                    f"{where}: pair '{row.pair_id}' has a trial of '{row.commander}' in line {pairs[key]}; allowed: one that counts"
                )
            pairs[key] = number
        found.append(row)
    return found


def repair(path: Path) -> None:
    """Cuts off a last line without its end, so that the next one begins a line of its own."""
    if not path.exists():
        return
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)


def append(path: Path, row: TrialRow) -> None:
    """Adds a line, which is on the disk when this returns. Raises VipaError."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise files.disk_error(path, error) from None


def write(path: Path, rows: Iterable[TrialRow]) -> None:
    """Writes the whole file anew: all of it or what was there before."""
    files.write_bytes(path, "".join(map(_line, rows)).encode())


def _line(row: TrialRow) -> str:
    return json.dumps(dataclasses.asdict(row), ensure_ascii=False, allow_nan=False) + "\n"
