"""Another's LeRobot dataset becomes one of ours: its columns by a mapping, its pictures encoded as ours are."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vipa.dataset.features import IMAGES
from vipa.dataset.import_arm import ArmMotion, arm_motion, later
from vipa.dataset.import_mapping import ImportMapping, columns_of
from vipa.dataset.import_source import SourceDataset, SourceEpisode
from vipa.dataset.spec import POSE, VELOCITY, CameraSpec, DatasetSpec, Feature, robot_spec
from vipa.dataset.writer import DatasetWriter, difference, spec_at
from vipa.errors import VipaError
from vipa.robot.description import Robot, load_robot
from vipa.robot.kinematics import Kinematics

SUBTASK = "task"  # the one sub-task of an episode whose dataset knows none


@dataclass
class ImportResult:
    """added: keys of episodes that were added. there: how many were there before. failed: why one could not be used, by key."""

    added: list[str] = field(default_factory=list)
    there: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{len(self.added)} episodes added, {self.there} were there, {len(self.failed)} not usable"]
        return "\n".join([*lines, *(f"  FAILED   {key}: {why}" for key, why in self.failed.items())])


@dataclass(frozen=True)
class _Job:
    """What one process needs to know."""

    source: Path
    mapping: ImportMapping
    out: Path
    spec: DatasetSpec
    name: str


def import_dataset(
    source: Path,
    mapping: ImportMapping,
    out: Path,
    episodes: list[int] | None = None,
    progress: Callable[[float], None] | None = None,
    workers: int = 1,
    lerobot: str = "0.6",
) -> ImportResult:
    """Adds the episodes of a LeRobot dataset (v2.0, v2.1, v3.0) to the dataset `out`; those that it has are skipped, so that a killed
    import goes on. episodes: their numbers there, None: all. workers: processes, an episode each.

    An episode that cannot be used (damaged, not finite, no instruction) is named in the result and the others are added. Raises
    VipaError if there would be no episode in the end, or the mapping does not fit; then nothing is left that was not there before.
    """
    if workers < 1:
        raise VipaError(f"{workers} workers; allowed: at least 1")
    dataset, out = SourceDataset(source), Path(out)
    spec = import_spec(dataset, mapping, lerobot)
    there = spec_at(out)
    if there is not None and there != spec:
        raise VipaError(f"{out}: other content than the dataset's: {difference(there, spec)}")
    chosen = _chosen(dataset, episodes)
    made = not out.exists()
    writer = DatasetWriter(out, spec)
    job = _Job(Path(source), mapping, out, spec, Path(source).resolve().name)
    known, result = writer.keys(), ImportResult()
    rest = [e.index for e in chosen if _key(job, e.index) not in known]
    result.there = len(chosen) - len(rest)
    tell = progress or (lambda _: None)
    try:
        for done, (number, why) in enumerate(_staged(job, rest, workers), 1):
            if why:
                result.failed[_key(job, number)] = why
            else:
                result.added.append(_key(job, number))
            tell(done / (len(rest) + 1))
    finally:
        writer.finalize()
        empty = writer.remove_if_empty(made)
    if empty:
        raise VipaError(f"{source}: no episode can be used; nothing was written\n{result}")
    tell(1.0)
    return result


def _staged(job: _Job, numbers: list[int], workers: int):
    """(number, why it cannot be used or "") of each episode, staged here or by processes."""
    if workers == 1 or len(numbers) < 2:
        yield from map(partial(_stage, job), numbers)
        return
    with ProcessPoolExecutor(min(workers, len(numbers)), multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(partial(_stage, job), numbers)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _stage(job: _Job, number: int) -> tuple[int, str]:
    dataset = SourceDataset(job.source)
    episode = next(e for e in dataset.episodes if e.index == number)
    try:
        _write(job, dataset, episode)
    except Exception as error:  # noqa: BLE001  an episode of any content may raise anything: the others are imported
        return number, str(error) if isinstance(error, VipaError) else f"{type(error).__name__}: {error}"
    return number, ""


def _write(job: _Job, dataset: SourceDataset, episode: SourceEpisode) -> None:
    instruction = _instruction(job.mapping, dataset, episode)
    frames, meta = frames_of(dataset, job.mapping, episode)
    writer = DatasetWriter(job.out, job.spec).episode_writer(_key(job, episode.index))
    pictures = {name: dataset.pictures(episode, c.column) for name, c in job.mapping.cameras.items()}
    try:
        for k in range(episode.length):
            frame = {name: values[k] for name, values in frames.items()}
            for name, camera in job.mapping.cameras.items():
                image = next(pictures[name])
                frame[IMAGES + name] = image if not camera.turn else np.ascontiguousarray(image[::-1, ::-1])
            writer.add(frame)
        writer.save(instruction, [SUBTASK], meta | {"source": {"dataset": job.name, "episode": episode.index}})
    except BaseException:
        writer.discard()
        raise


def frames_of(
    dataset: SourceDataset, mapping: ImportMapping, episode: SourceEpisode
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """All features of an episode but pictures, (T, n) each, and its meta. Raises VipaError."""
    where = f"{dataset.root}: episode {episode.index}"
    if episode.length < 1:
        raise VipaError(f"{where}: no frames")
    names = columns_of(mapping)
    values = dataset.columns(episode, names) if names else {}
    if wrong := [n for n, v in values.items() if v.dtype == object]:
        raise VipaError(f"{where}: {wrong[0]} is text; allowed: numbers")
    kinematics = Kinematics(load_robot(mapping.robot)) if mapping.robot else None
    moved = [arm_motion(arm, values, kinematics, where) for arm in mapping.arms]
    if kinematics is not None:
        order = [group.name for group in kinematics.robot.groups]
        moved = [moved[[arm.name for arm in mapping.arms].index(name)] for name in order]
    count = episode.length
    stamps = np.round(np.arange(count) * 1e9 / dataset.fps).astype(np.int64)
    frames = _columns(moved, dataset.fps) | {
        "stamp_ns": np.tile(stamps[:, None], 1 + len(mapping.cameras)),
        "intervention": np.zeros((count, 1), bool),
        "subtask_index": np.zeros((count, 1), np.int64),
        "target": np.zeros((count, 4)),
        "tip": np.zeros((count, 4)),
    }
    succeeded = not mapping.success or bool(values[mapping.success].max() > 0.5)
    cameras = {name: {"intrinsics": c.intrinsics} for name, c in mapping.cameras.items() if c.intrinsics}
    outcome = {"success": succeeded, "outcome": "success" if succeeded else "failure"}
    return frames, {"start_ns": 0, "cell": "imported", "cameras": cameras} | outcome


def _columns(moved: list[ArmMotion], fps: int) -> dict[str, np.ndarray]:
    """Vector features of arms that stand side by side, from what each did."""
    count = len(moved[0].tool_pose)
    velocity = [np.gradient(m.tool_pose[:, :3], 1 / fps, axis=0) if count > 1 else np.zeros((1, 3)) for m in moved]
    told_before = [np.concatenate([m.tool_pose[:1], m.told[:-1]]) for m in moved]
    side = partial(np.concatenate, axis=1)
    return {
        "observation.state": side([part for m in moved for part in (m.joints, m.hand)]),
        "observation.tool_pose": side([m.tool_pose for m in moved]),
        "observation.tool_velocity": side(velocity),
        "observation.commanded_tool_pose": side(told_before),
        "action": side([part for m in moved for part in (m.told, m.told_hand)]),
        "executed": side([part for m in moved for part in (later(m.tool_pose), later(m.hand))]),
    }


def import_spec(dataset: SourceDataset, mapping: ImportMapping, lerobot: str = "0.6") -> DatasetSpec:
    """What the imported dataset holds. Raises VipaError if the mapping's robot or cameras do not fit."""
    cameras = tuple(CameraSpec(n, *dataset.size(c.column), depth=False) for n, c in mapping.cameras.items())
    if mapping.robot:
        robot = load_robot(mapping.robot)
        _fit(robot, mapping)
        return robot_spec(robot, cameras, dataset.fps, wrenches=[], lerobot=lerobot)
    state, poses, velocities, ordered, groups = [], [], [], [], []
    episode = dataset.episodes[0]
    for arm in mapping.arms:
        width = 0
        if arm.joints is not None:
            there = dataset.columns(episode, [arm.joints.column])[arm.joints.column].shape[1]
            width = there if arm.joints.elements is None else len(arm.joints.elements)
        joints, hand = [f"joint_{k}" for k in range(width)], ["hand"] if arm.hand else []
        state += [f"{arm.name}.{n}" for n in (*joints, *hand)]
        poses += [f"{arm.name}.{n}" for n in POSE]
        velocities += [f"{arm.name}.{n}" for n in VELOCITY]
        ordered += [f"{arm.name}.{n}" for n in (*POSE, *hand)]
        groups.append(
            {
                "name": arm.name,
                "kind": "arm",
                "base_frame": "base",
                "tool_frame": "tool",
                "joints": joints,
                "hand_joints": hand,
                "base_in_world": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            }
        )
    if not state:
        raise VipaError("the mapping names neither joints nor a hand; allowed: at least one of both")
    features = {
        "observation.state": Feature("float32", tuple(state)),
        "observation.tool_pose": Feature("float32", tuple(poses)),
        "observation.tool_velocity": Feature("float32", tuple(velocities)),
        "observation.commanded_tool_pose": Feature("float32", tuple(poses)),
        "stamp_ns": Feature("int64", ("joint_states", *mapping.cameras)),
        "action": Feature("float32", tuple(ordered)),
        "executed": Feature("float32", tuple(ordered)),
        "intervention": Feature("bool", ("intervention",)),
        "subtask_index": Feature("int64", ("subtask_index",)),
        "target": Feature("float32", ("x", "y", "z", "known")),
        "tip": Feature("float32", ("x", "y", "z", "known")),
    }
    return DatasetSpec(mapping.robot_type, dataset.fps, cameras, features, groups, lerobot=lerobot)


def _fit(robot: Robot, mapping: ImportMapping) -> None:
    groups, arms = {g.name: g for g in robot.groups}, {a.name: a for a in mapping.arms}
    if groups.keys() != arms.keys():
        raise VipaError(
            f"robot {robot.name} has the groups {', '.join(groups)}, the mapping the arms {', '.join(arms)}; allowed: the same"
        )
    for name, group in groups.items():
        hand = len(group.hand.joints) if group.hand else 0
        if arms[name].joints is None or (arms[name].hand is not None) != (hand == 1):
            raise VipaError(
                f"robot {robot.name}: {name} has {len(group.joints)} joints and {hand} of its hand; allowed: a mapping with joints"
                f"{' and a hand' if hand else ' and without a hand'}, or without the robot"
            )


def _instruction(mapping: ImportMapping, dataset: SourceDataset, episode: SourceEpisode) -> str:
    for column in mapping.instruction:
        if column == "task":
            text = next((t for t in episode.tasks if t.strip()), "")
        else:
            text = str(dataset.columns(episode, [column])[column][0])
        if text.strip():
            return text.strip()
    raise VipaError(f"{dataset.root}: episode {episode.index}: no instruction in {', '.join(mapping.instruction)}")


def _chosen(dataset: SourceDataset, episodes: list[int] | None) -> list[SourceEpisode]:
    if episodes is None:
        return dataset.episodes
    there = {e.index: e for e in dataset.episodes}
    if wrong := [n for n in episodes if n not in there]:
        raise VipaError(f"{dataset.root}: episode {wrong[0]}; allowed: {min(there)} to {max(there)}")
    return [there[n] for n in sorted(set(episodes))]


def _key(job: _Job, number: int) -> str:
    return f"{job.name}-{number:06d}"
