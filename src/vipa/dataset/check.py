"""Is a dataset what it says? Counts, indices, times, files and statistics, each finding with its place."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipa.dataset.episode import staged
from vipa.dataset.layout import depth_path
from vipa.dataset.reader import Dataset, DatasetEpisode, key_of
from vipa.dataset.spec import INDEX_FEATURES, SCHEMA, max_velocities
from vipa.dataset.stats import aggregate, vector_stats
from vipa.dataset.video import count_frames
from vipa.errors import VipaError
from vipa.robot.description import load_robot

QUATERNION_TOLERANCE = 1e-3
MAX_LEAP_RATIO = 1.2  # of what a joint may do in a frame, and as many radians more:
MAX_LEAP_RAD = 0.02


@dataclass(frozen=True)
class Finding:
    """level: "error" (the dataset is not what it says) or "warning". where: file or episode. what: found, and wanted."""

    level: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.what}"


def check(root: Path, progress: Callable[[float], None] | None = None) -> list[Finding]:
    """All findings; an empty list means that nothing is wrong. Raises VipaError if `root` is no dataset at all."""
    dataset = Dataset(root)
    findings: list[Finding] = []

    def error(where, what):
        findings.append(Finding("error", str(where), what))

    def warning(where, what):
        findings.append(Finding("warning", str(where), what))

    try:
        _check_info(dataset, error)
        _check_totals(dataset, error)
        parts: dict[str, list] = {}
        for number in range(len(dataset)):
            episode = dataset.episode(number)
            _check_episode(dataset, episode, error, warning)
            for name in dataset.spec.features:
                values = episode[name].reshape(len(episode), -1) if len(episode.table) else np.zeros((1, 1))
                parts.setdefault(name, []).append(vector_stats(values))
            if progress:
                progress((number + 1) / (len(dataset) + 1))
        _check_videos(dataset, error)
        # LeRobot's tools weigh what is not finite otherwise than ours
        _check_stats(dataset, parts, warning if dataset.lost else error)
    except VipaError as problem:  # a file that cannot be read at all: the rest makes no sense
        error(dataset.root, str(problem))
    findings += [Finding("warning", str(dataset.root), text) for text in dataset.lost]
    waiting = staged(dataset.root / ".staging")
    if waiting:
        text = f"{len(waiting)} episodes are saved and not part of the dataset; finalize() adds them"
        findings.append(Finding("warning", str(dataset.root / ".staging"), text))
    if progress:
        progress(1.0)
    return findings


def _check_info(dataset: Dataset, error) -> None:
    """Every key of meta/info.json that does not count episodes is what the writer writes of this spec."""
    wanted = dataset.spec.info()
    if dataset.spec.schema != SCHEMA:  # others' tools have features and sizes of their own
        wanted = {key: wanted[key] for key in ("codebase_version", "data_path", "video_path", "fps")}
    for key, value in wanted.items():
        if not key.startswith("total_") and key != "splits" and dataset.info.get(key) != value:
            error("meta/info.json", f"{key} is {str(dataset.info.get(key))[:200]}, want {str(value)[:200]}")


def _check_totals(dataset: Dataset, error) -> None:
    rows, info = dataset.rows, dataset.info
    where = "meta/info.json"
    totals = {
        "total_episodes": len(rows),
        "total_frames": sum(r["length"] for r in rows),
        "total_tasks": len(dataset.tasks),
        "splits": {"train": f"0:{len(rows)}"} if rows else {},
    }
    for key, value in totals.items():
        if info.get(key) != value:
            error(where, f"{key} {info.get(key)}, the tables say {value}")
    end = 0
    for number, row in enumerate(rows):
        place = f"meta/episodes, row {number}"
        if row["episode_index"] != number:
            error(place, f"episode_index {row['episode_index']}, want {number}")
        if row["dataset_from_index"] != end or row["dataset_to_index"] != end + row["length"]:
            error(
                place,
                f"frames {row['dataset_from_index']} to {row['dataset_to_index']}, want {end} to {end + row['length']}",
            )
        end = row["dataset_to_index"]
    keys = [key_of(r) for r in rows]
    if len(set(keys)) != len(keys):
        error("meta/episodes", "an episode's key occurs twice")


def _check_episode(dataset: Dataset, episode: DatasetEpisode, error, warning) -> None:
    where = f"episode {episode.index}"
    if len(episode.table) != episode.length:
        error(where, f"{len(episode.table)} rows in data/, want {episode.length}")
        return
    frames = np.arange(episode.length)
    wanted = {
        "frame_index": frames,
        "episode_index": frames * 0 + episode.index,
        "index": frames + episode.row["dataset_from_index"],
        "timestamp": (frames / episode.fps).astype(np.float32),
    }
    for name, values in wanted.items():
        if not np.array_equal(episode[name], values):
            error(where, f"column {name} is not what LeRobot v3.0 wants of it")
    for name, names in (("task_index", dataset.tasks), ("subtask_index", dataset.subtasks)):
        if name in episode.table.column_names:
            values = episode[name]
            if name == "subtask_index" and not names and dataset.lost:
                continue
            if values.min() < 0 or values.max() >= max(len(names), 1):
                error(where, f"{name} {values.min()} to {values.max()}; allowed: 0 to {len(names) - 1}")
    if dataset.tasks and dataset.tasks[int(episode["task_index"][0])] != episode.instruction:
        error(where, "task_index names another instruction than meta/episodes")
    _check_values(dataset, episode, error, warning)
    _check_leaps(dataset, episode, error)
    for camera in dataset.spec.cameras:
        if camera.depth:
            path = dataset.root / depth_path(camera.name, episode.index)
            count = count_frames(path) if path.is_file() else 0
            if count != episode.length:
                error(where, f"{path.relative_to(dataset.root)} has {count} frames, want {episode.length}")


def _check_values(dataset: Dataset, episode: DatasetEpisode, error, warning) -> None:
    where = f"episode {episode.index}"
    for name, feature in dataset.spec.features.items():
        shape = episode[name].reshape(episode.length, -1).shape if name in episode.table.column_names else (0, 0)
        if shape[1] != feature.size:
            error(where, f"{name} has {shape[1]} elements in data/, {feature.size} in meta/info.json")
            return
    may_miss = {"observation.wrench", "target", "tip"} if dataset.spec.schema != SCHEMA else set()
    for name, feature in dataset.spec.features.items():
        values = episode[name].reshape(episode.length, -1)
        if name not in may_miss and not np.isfinite(values).all():
            error(where, f"{name} is not finite in {int((~np.isfinite(values)).any(axis=1).sum())} frames")
        quaternions = [i for i, n in enumerate(feature.names) if n.endswith(".qx")]
        for first in quaternions:
            norms = np.linalg.norm(values[:, first : first + 4], axis=1)
            if np.abs(norms - 1).max() > QUATERNION_TOLERANCE:
                error(where, f"{name}: quaternions of norm {norms.min():.4f} to {norms.max():.4f}, want 1")
    if (stamps := episode.stamps) is not None:
        if (np.diff(stamps, axis=0) < 0).any():
            error(where, "stamp_ns goes backwards")
        start = episode.meta.get("start_ns")
        if start is not None:
            ticks = start + np.round(np.arange(episode.length) * 1e9 / episode.fps).astype(np.int64)
            ages = (ticks[:, None] - stamps) / 1e9
            if ages.min() < 0:
                error(where, f"an observation is {-ages.min():.3f} s newer than its tick")
            if ages.max() > 0.5:
                worst = stamp_names(dataset)[int(ages.max(axis=0).argmax())]
                warning(where, f"{worst} is up to {ages.max():.2f} s old")


def _check_leaps(dataset: Dataset, episode: DatasetEpisode, error) -> None:
    """No joint goes further from one frame to the next than its velocity allows: two pasts are not one episode."""
    limits = _max_velocities(dataset)
    state = dataset.spec.features.get("observation.state")
    judged = [i for i, name in enumerate(state.names) if name in limits] if state else []
    if not judged or len(episode) < 2:
        return
    went = np.abs(np.diff(episode["observation.state"].reshape(len(episode), -1)[:, judged].astype(float), axis=0))
    allowed = (
        MAX_LEAP_RATIO * np.array([limits[state.names[i]] for i in judged]) * _seconds(dataset, episode)[:, None]
        + MAX_LEAP_RAD
    )
    if (went > allowed).any():
        frame, joint = np.unravel_index(np.argmax(went - allowed), went.shape)
        name = state.names[judged[joint]]
        error(
            f"episode {episode.index}",
            f"{int((went > allowed).any(axis=1).sum())} leaps: {name} goes {went[frame, joint]:.2f} rad from frame {frame} to the "
            f"next; allowed: {allowed[frame, joint]:.2f}",
        )


def _max_velocities(dataset: Dataset) -> dict[str, float]:
    """By name in observation.state; of the robot of that name where the dataset does not say; {} if nobody knows it."""
    if not dataset.spec.velocities:
        try:
            return max_velocities(load_robot(dataset.spec.robot_type))
        except VipaError:
            return {}
    return dataset.spec.velocities


def _seconds(dataset: Dataset, episode: DatasetEpisode) -> np.ndarray:
    """(T - 1,) between the joint states of successive frames; a frame's where they do not say."""
    period = np.full(len(episode) - 1, 1 / episode.fps)
    names = stamp_names(dataset)
    if "joint_states" not in names:
        return period
    taken = episode.stamps[:, names.index("joint_states")]
    return np.maximum(np.diff(taken) / 1e9, period)


def stamp_names(dataset: Dataset) -> tuple[str, ...]:
    """What the capture stamps are of; () where there are none."""
    known = (dataset.spec.features.get(name) for name in ("stamp_ns", "observation.stamp_ns"))
    return next((feature.names for feature in known if feature), ())


def _check_videos(dataset: Dataset, error) -> None:
    """Every video file has as many frames as its episodes, which follow one another without a gap."""
    for key in dataset.spec.videos:
        if dataset.rows and f"videos/{key}/file_index" not in dataset.rows[0]:
            error("meta/episodes", f"no columns videos/{key}/…")
            continue
        ends: dict[tuple[int, int], int] = {}
        for row in dataset.rows:
            file = row[f"videos/{key}/chunk_index"], row[f"videos/{key}/file_index"]
            first = row[f"videos/{key}/from_timestamp"] * dataset.spec.fps
            last = row[f"videos/{key}/to_timestamp"] * dataset.spec.fps
            before = ends.get(file, 0)
            if abs(first - before) > 1e-6 or abs(last - before - row["length"]) > 1e-6:
                text = f"{key}: frames {first:g} to {last:g} of its file, want {before} to {before + row['length']}"
                error(f"episode {row['episode_index']}", text)
            ends[file] = before + row["length"]
        for (chunk, file), frames in ends.items():
            path = dataset.root / f"videos/{key}/chunk-{chunk:03d}/file-{file:03d}.mp4"
            count = count_frames(path) if path.is_file() else 0
            if count != frames:
                error(path.relative_to(dataset.root), f"{count} frames, its episodes have {frames}")


def _check_stats(dataset: Dataset, parts: dict[str, list], error) -> None:
    """Statistics against the columns themselves; those of pictures are only looked at for being there."""
    for name in (*dataset.spec.features, *INDEX_FEATURES, *dataset.spec.videos):
        if dataset.rows and name not in dataset.stats:
            error("meta/stats.json", f"nothing about {name}")
    for name, entries in parts.items():
        if name not in dataset.stats:
            continue
        for kind, value in aggregate(entries).items():
            there = np.asarray(dataset.stats[name].get(kind, math.nan), float).reshape(-1)
            value = np.asarray(value, float).reshape(-1)
            if there.shape != value.shape or not np.allclose(there, value, rtol=1e-5, atol=1e-6):
                error("meta/stats.json", f"{name}: {kind} is not that of the data")
