"""The scorecard of an episode (scorecard.json, schema "vipa/scorecard/1"): written once, read back with every key checked."""

import dataclasses
import hashlib
import math
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from vipa import config, documents, provenance, resources
from vipa.errors import VipaError
from vipa.files import disk_error, write_json
from vipa.tasks.failures import FailureName, explained
from vipa.tasks.scorer import EpisodeScorer, Failure, Outcome, SubTaskStatus

SCHEMA: Literal["vipa/scorecard/1"] = "vipa/scorecard/1"
RESERVE, RESERVED = ".reserve", 1 << 18  # file, and its bytes, that keep space for the scorecard


@dataclass(frozen=True)
class SubTaskScore:
    """t_done_s: seconds of ROS time since the episode began, None: not done. evidence: the check's last words. failure_class: why it
    failed, see vipa.tasks.failures; None: it did not, or a person ended the episode."""

    name: str
    status: Literal["done", "failed", "pending"]
    t_done_s: float | None
    evidence: str
    failure_class: FailureName | None = None


@dataclass(frozen=True)
class PolicyId:
    """The policy behind the commander, where there is one. checkpoint_sha256 "": its server does not say."""

    name: str
    checkpoint_sha256: str


def policy_id(policy: str, served_sha256: str = "") -> PolicyId | None:
    """Who the checkpoint `policy` is; None for a scripted commander (a name that is no folder). One that is served,
    `NAME@HOST:PORT`, is what its server says it is.

    checkpoint_sha256: over the folder's weights (*.safetensors, *.onnx, *.onnx.data), names and contents, in order.
    """
    folder = resources.checkpoint(policy)
    weights = sorted(p for kind in ("*.safetensors", "*.onnx", "*.onnx.data") for p in folder.glob(kind))
    if not weights:
        return PolicyId(policy, served_sha256) if "@" in policy else None
    digest = hashlib.sha256()
    for path in weights:
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return PolicyId(folder.resolve().name, digest.hexdigest())


@dataclass(frozen=True)
class Timing:
    """Percentiles over the episode; None: nothing was measured."""

    policy_ms_p50: float | None = None
    policy_ms_p99: float | None = None
    observation_age_ms_p50: float | None = None
    observation_age_ms_p99: float | None = None
    chunk_delay_steps_p50: float | None = None
    chunk_delay_steps_p99: float | None = None
    dropped_frames: int | None = None
    control_jitter_ms_p99: float | None = None

    @classmethod
    def of(cls, policy_ms=(), observation_age_ms=(), chunk_delay_steps=(), dropped_frames=None, control_jitter_ms=()):
        """Timing from samples: sequences of numbers, NaN for a missing one."""
        return cls(
            *_percentiles(policy_ms),
            *_percentiles(observation_age_ms),
            *_percentiles(chunk_delay_steps),
            dropped_frames,
            _percentiles(control_jitter_ms)[1],
        )


@dataclass(frozen=True)
class Provenance:
    """git: commit of the checkout, with "-dirty" if it was changed; None: not a checkout. versions: package → version."""

    git: str | None = None
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scorecard:
    """One episode's score. duration_s: ROS time; wall_s: wall-clock time. subtask_score: done / all."""

    schema: Literal["vipa/scorecard/1"]
    episode_id: str
    task: str
    instruction: str
    robot: str
    cell: Literal["sim", "real"]
    commander: str
    policy: PolicyId | None
    seed: int
    variant: str
    subtasks: list[SubTaskScore]
    subtask_score: float
    success: bool
    outcome: Outcome
    failure: Failure | None
    duration_s: float
    wall_s: float
    timing: Timing
    provenance: Provenance

    @property
    def failure_class(self) -> str | None:
        """Of the first sub-task that failed and has one."""
        return next((s.failure_class for s in self.subtasks if s.failure_class), None)

    def __post_init__(self):
        done = sum(s.status == "done" for s in self.subtasks) / max(len(self.subtasks), 1)
        if abs(self.subtask_score - done) > 1e-6:
            raise ValueError(f"subtask_score: {self.subtask_score} does not match the sub-tasks, which give {done:g}")
        if self.success != (self.outcome == "success"):
            raise ValueError(f"success: {self.success} does not match outcome '{self.outcome}'")


def score(
    scorer: EpisodeScorer, *, episode_id: str, robot: str, cell: Literal["sim", "real"], commander: str, seed: int, variant: str,
    wall_s: float, policy: PolicyId | None = None, timing: Timing = Timing(),
) -> Scorecard:  # fmt: skip
    """The scorecard of an episode that `scorer` has seen to its end. Raises ValueError if it has not ended."""
    if scorer.outcome is None:
        raise ValueError("the episode has not ended")
    names: dict[SubTaskStatus, Literal["done", "failed", "pending"]]
    names = {SubTaskStatus.DONE: "done", SubTaskStatus.FAILED: "failed"}
    return Scorecard(
        schema=SCHEMA,
        episode_id=episode_id,
        task=scorer.task.name,
        instruction=scorer.task.instruction,
        robot=robot,
        cell=cell,
        commander=commander,
        policy=policy,
        seed=seed,
        variant=variant,
        subtasks=[
            SubTaskScore(
                s.name,
                names.get(s.status, "pending"),
                s.t_done,
                s.evidence,
                s.failure_class.value if s.failure_class else None,
            )
            for s in scorer.subtasks
        ],
        subtask_score=scorer.score,
        success=scorer.outcome == "success",
        outcome=scorer.outcome,
        failure=scorer.failure,
        duration_s=round(scorer.elapsed, 3),
        wall_s=round(wall_s, 3),
        timing=timing,
        provenance=Provenance(provenance.git_commit(), provenance.versions()),
    )


def to_dict(card: Scorecard) -> dict:
    """The scorecard as JSON values; a number that is not finite becomes null."""
    return _plain(dataclasses.asdict(card))


def from_dict(data, where: str) -> Scorecard:
    """The scorecard in `data`. Raises VipaError that names `where`, the key and what is allowed."""
    return config.build(data, Scorecard, where)


def write(card: Scorecard, path: Path) -> None:
    """Writes scorecard.json; `path` holds all of it or what was there before."""
    write_json(path, to_dict(card))


def save(card: Scorecard, folder: Path) -> str:
    """Writes scorecard.json of the run in `folder`, into the space kept for it, or where `elsewhere` says if the disk does not take it.
    '' or, in one line, why it is not in the folder and where it is."""
    folder = Path(folder)
    try:
        (folder / RESERVE).unlink(missing_ok=True)
        write(card, folder / "scorecard.json")
        return ""
    except (VipaError, OSError) as error:
        other = elsewhere(folder)
        why = error if isinstance(error, VipaError) else disk_error(folder, error)
        try:
            write(card, other)
            return f"{why}; the scorecard is {other}"
        except VipaError as second:
            return f"{why}; {second}"


def reserve(folder: Path) -> None:
    """Keeps space in the run folder for its scorecard, whatever fills the disk meanwhile. Raises VipaError."""
    path = Path(folder) / RESERVE
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVED)
    except OSError as error:
        raise disk_error(path, error) from None


def elsewhere(folder: Path) -> Path:
    """Where the scorecard of the run `folder` is if its own disk did not take it."""
    return Path(tempfile.gettempdir()) / f"vipa-{Path(folder).name}-scorecard.json"


def read(path: Path) -> Scorecard:
    """The scorecard in the file `path`. Raises VipaError that names the file, the key and what is allowed."""
    return from_dict(documents.read_json(path), str(path))


def exit_status(card: Scorecard, require_success: bool = False) -> int:
    """Of an episode: 0 it ran and was scored, 1 it was stopped or ended as an error, or did not succeed where that is required."""
    ran = card.outcome in ("success", "timeout", "failure")
    return 0 if ran and (card.success or not require_success) else 1


def render(card: Scorecard, blind: bool = False) -> str:
    """A short table for the terminal. blind: it does not say whose."""
    marks = {"done": "✓", "failed": "✗", "pending": "·"}
    width = max(len(s.name) for s in card.subtasks)
    who = "" if blind else f" · {card.policy.name if card.policy else card.commander}"
    lines = [f"{card.task}{who} · seed {card.seed} · {card.variant} · {card.cell}"]
    for s in card.subtasks:
        when = f"{s.t_done_s:6.1f} s" if s.t_done_s is not None else "      - "
        lines.append(
            f"  {marks[s.status]} {s.name:<{width}}  {when}  {explained(s.evidence, s.failure_class)}".rstrip()
        )
    done = sum(s.status == "done" for s in card.subtasks)
    lines.append(
        f"  {card.outcome}: {done}/{len(card.subtasks)} sub-tasks, {card.duration_s:.1f} s ({card.wall_s:.1f} s wall)"
    )
    if card.failure:
        named = f" in '{card.failure.subtask}'" if card.failure.subtask else ""
        lines.append(f"  {card.failure.type}{named}: {card.failure.detail}")
    return "\n".join(lines)


def _percentiles(samples) -> tuple[float | None, float | None]:
    """(p50, p99) of the finite samples, None where there are none."""
    values = np.asarray(samples, float)
    values = values[np.isfinite(values)]
    if not len(values):
        return None, None
    p50, p99 = np.percentile(values, (50, 99))
    return round(float(p50), 3), round(float(p99), 3)


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def commander_name(card: dict) -> str:
    """Who commanded, of a scorecard's JSON: the policy by name where there is one, else the commander; empty if unknown."""
    policy = card.get("policy")
    name = policy.get("name") if isinstance(policy, dict) else None
    return str(name or card.get("commander") or "")
