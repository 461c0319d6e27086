"""preferences.jsonl of a set: which of two trials of a pair that ended alike a person found better, and why. Blind, as the verdicts are."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from scipy import stats

from vipa import config, documents, files
from vipa.evaluation.trial_file import TrialRow

SCHEMA: Literal["vipa/preference/1"] = "vipa/preference/1"
NAME = "preferences.jsonl"


@dataclass(frozen=True)
class Preference:
    """first, second: trial_ids in the order in which they were run. preferred: one of them, None: neither."""

    pair_id: str
    first: str
    second: str
    preferred: str | None
    reason: str
    operator: str
    schema: Literal["vipa/preference/1"] = SCHEMA

    def __post_init__(self):
        if self.preferred not in (None, self.first, self.second):
            raise ValueError(f"preferred: '{self.preferred}'; allowed: '{self.first}', '{self.second}', null")


def alike(a: TrialRow, b: TrialRow) -> bool:
    """Whether `a` and `b`, of one scene, are two trials that count and that verdict and score do not tell apart."""
    same = (a.verdict, a.subtask_score) == (b.verdict, b.subtask_score)
    return a.trial_id != b.trial_id and a.counts and b.counts and same


def append(folder: Path, preference: Preference) -> None:
    """Adds a line to the set's file. Raises VipaError."""
    path = Path(folder) / NAME
    before = path.read_bytes() if path.exists() else b""
    files.write_bytes(path, before + json.dumps(asdict(preference), ensure_ascii=False).encode() + b"\n")


def read(folder: Path) -> list[Preference]:
    """The set's preferences, none if nobody was asked. Raises VipaError."""
    path = Path(folder) / NAME
    if not path.exists():
        return []
    lines = enumerate(documents.read_lines(path), 1)
    return [config.build(documents.parse_json(text, f"{path}:{n}"), Preference, f"{path}:{n}") for n, text in lines]


def words(preferences: Sequence[Preference], rows: Sequence[TrialRow], a: str, b: str) -> str:
    """A line: how often each commander was preferred, with the exact two-sided sign test, which leaves out pairs with neither; "": nobody was asked of
    the two. Of pairs that have since been redone nothing counts."""
    who = {row.trial_id: row.commander for row in rows if row.counts}
    ours = [p for p in preferences if {who.get(p.first), who.get(p.second)} == {a, b}]
    if not ours:
        return ""
    chosen = [who[p.preferred] for p in ours if p.preferred]
    mine, theirs = chosen.count(a), chosen.count(b)
    p_value = stats.binomtest(mine, mine + theirs).pvalue if chosen else 1.0
    return f"of {len(ours)} pairs that ended alike {a} was preferred in {mine}, {b} in {theirs}, neither in {len(ours) - mine - theirs} (sign test p = {p_value:.2g})"
