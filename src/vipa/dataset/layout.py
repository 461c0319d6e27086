"""How a dataset lies on disk: episodes into LeRobotDataset v3.0 files, and what is derived from meta/episodes."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vipa import files
from vipa.dataset import segment, tables
from vipa.dataset.segment import Segment
from vipa.dataset.spec import (
    CHUNK_FILES,
    DATA_FILE_MB,
    DATA_PATH,
    DEPTH_PATH,
    EPISODES_PATH,
    INDEX_FEATURES,
    VIDEO_FILE_MB,
    VIDEO_PATH,
    DatasetSpec,
)
from vipa.dataset.stats import aggregate, vector_stats
from vipa.dataset.video import count_frames


def episode_rows(root: Path) -> list[dict[str, Any]]:
    """Rows of meta/episodes, in order."""
    rows = []
    for path in sorted((root / "meta" / "episodes").glob("chunk-*/file-*.parquet")):
        rows += tables.read(path).to_pylist()
    return rows


class EpisodeSource(Protocol):
    """An episode that is to become part of a dataset: `StagedEpisode` says what each of these is."""

    key: str
    instruction: str
    length: int
    subtasks: list[str]
    meta: dict[str, Any]
    stats: dict[str, dict[str, Any]]

    def table(self) -> pa.Table: ...

    def table_size(self) -> int: ...

    def video(self, feature: str) -> list[Segment]: ...

    def depth(self, camera: str) -> list[Segment]: ...


class Layout:
    """Lays episodes out behind those that are there."""

    def __init__(self, root: Path, spec: DatasetSpec, rows: list[dict[str, Any]]):
        self.root, self.spec, self.rows = root, spec, rows
        self.tasks = _first_seen(t for row in rows for t in row["tasks"])
        self.subtasks = _first_seen(s for row in rows for s in json.loads(row["vipa/meta"])["subtasks"])

    def add(self, episodes: Sequence[EpisodeSource], progress: Callable[[float], None] | None) -> None:
        """Raises VipaError if a file of an episode cannot be read."""
        number, frame = len(self.rows), self.rows[-1]["dataset_to_index"] if self.rows else 0
        file = self._next("meta/episodes/")
        new = []
        for episode in episodes:
            _append(self.tasks, [episode.instruction])
            _append(self.subtasks, episode.subtasks)
            row = {
                "episode_index": number,
                "tasks": [episode.instruction],
                "length": episode.length,
                "dataset_from_index": frame,
                "dataset_to_index": frame + episode.length,
                "meta/episodes/chunk_index": file[0],
                "meta/episodes/file_index": file[1],
                "vipa/key": episode.key,
                "vipa/meta": json.dumps(episode.meta | {"subtasks": episode.subtasks}),
            }
            number, frame = number + 1, frame + episode.length
            new.append(row)
        steps = 3 + len(self.spec.videos)
        done = 0

        def step():
            nonlocal done
            done += 1
            if progress:
                progress(min(done / steps, 1.0))

        self._add_data(episodes, new)
        step()
        for key in self.spec.videos:
            self._add_video(key, episodes, new)
            step()
        self._add_depth(episodes, new)
        step()
        for row, episode in zip(new, episodes, strict=True):
            self._add_stats(row, episode)
        table = pa.Table.from_pylist(new)
        tables.write(table, self.root / EPISODES_PATH.format(chunk_index=file[0], file_index=file[1]))
        step()

    def _next(self, prefix: str) -> tuple[int, int]:
        """(chunk, file) after the last one that an episode uses for `prefix`."""
        if not self.rows:
            return 0, 0
        used = max((row[f"{prefix}chunk_index"], row[f"{prefix}file_index"]) for row in self.rows)
        return _after(used)

    def _batches(self, parts, new, prefix: str, limit_mb: int):
        """Groups of (what, row) that share a file: parts are (what, bytes, form); those of a file have one form, and it is no
        larger than the limit unless a single episode is."""
        file = self._next(prefix)
        batch, total, before = [], 0, None
        for (what, size, form), row in zip(parts, new, strict=True):
            if batch and (total + size > limit_mb << 20 or form != before):
                yield file, batch
                file, batch, total = _after(file), [], 0
            row[f"{prefix}chunk_index"], row[f"{prefix}file_index"] = file
            batch.append((what, row))
            total, before = total + size, form
        yield file, batch

    def _add_data(self, episodes, new) -> None:
        parts = [(episode, episode.table_size(), None) for episode in episodes]
        for (chunk, file), batch in self._batches(parts, new, "data/", DATA_FILE_MB):
            path = self.root / DATA_PATH.format(chunk_index=chunk, file_index=file)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            writer = None
            for episode, row in batch:
                table = self._data_table(episode, row)
                writer = writer or pq.ParquetWriter(temporary, table.schema, compression="snappy")
                writer.write_table(table, row_group_size=max(1, len(table)))  # one an episode, as LeRobot 0.6.1 has it
            writer.close()
            os.replace(temporary, path)

    def _data_table(self, episode: EpisodeSource, row) -> pa.Table:
        table = episode.table()
        count = row["length"]
        if "subtask_index" in table.column_names:
            to_global = np.array([self.subtasks.index(s) for s in episode.subtasks] or [0])
            mapped = to_global[tables.values(table["subtask_index"])]
            place = table.column_names.index("subtask_index")
            table = table.set_column(place, "subtask_index", pa.array(mapped, pa.int64()))
            episode.stats["subtask_index"] = vector_stats(mapped[:, None])
        frames = np.arange(count)
        extra = {
            "timestamp": frames / self.spec.fps,
            "frame_index": frames,
            "episode_index": np.full(count, row["episode_index"]),
            "index": row["dataset_from_index"] + frames,
            "task_index": np.full(count, self.tasks.index(episode.instruction)),
        }
        for name, values in extra.items():
            table = table.append_column(name, tables.column(values, INDEX_FEATURES[name]))
        return table.combine_chunks()

    def _add_video(self, key: str, episodes, new) -> None:
        cut = [episode.video(key) for episode in episodes]
        parts = [(s, sum(segment.size(p, self.spec.fps) for p in s), segment.form(s[0].path)) for s in cut]
        for (chunk, file), batch in self._batches(parts, new, f"videos/{key}/", VIDEO_FILE_MB):
            path = self.root / VIDEO_PATH.format(video_key=key, chunk_index=chunk, file_index=file)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            segment.join([part for segments, _ in batch for part in segments], self.spec.fps, temporary)
            os.replace(temporary, path)
            before = 0
            for _, row in batch:
                row[f"videos/{key}/from_timestamp"] = before / self.spec.fps
                before += row["length"]
                row[f"videos/{key}/to_timestamp"] = before / self.spec.fps

    def _add_depth(self, episodes, new) -> None:
        for camera in (c.name for c in self.spec.cameras if c.depth):
            for episode, row in zip(episodes, new, strict=True):
                path = self.root / depth_path(camera, row["episode_index"])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)  # of a finalize that was killed
                parts = episode.depth(camera)
                whole = parts[0].path
                if len(parts) > 1 or parts[0].first or count_frames(whole) != row["length"]:
                    segment.join(parts, self.spec.fps, path, "matroska")
                    continue
                try:
                    os.link(whole, path)
                except OSError:
                    shutil.copyfile(whole, path)

    def _add_stats(self, row, episode: EpisodeSource) -> None:
        """LeRobot's stats of the columns that the writer makes join those of the episode."""
        frames = np.arange(row["length"])[:, None]
        made = {
            "timestamp": frames / self.spec.fps,
            "frame_index": frames,
            "episode_index": frames * 0 + row["episode_index"],
            "index": frames + row["dataset_from_index"],
            "task_index": frames * 0 + self.tasks.index(episode.instruction),
        }
        for name, entry in (episode.stats | {n: vector_stats(v) for n, v in made.items()}).items():
            for kind, value in entry.items():
                row[f"stats/{name}/{kind}"] = np.asarray(value).tolist()


def depth_path(camera: str, episode: int) -> str:
    """Path of an episode's depth file, relative to the root."""
    return DEPTH_PATH.format(camera=camera, chunk_index=episode // CHUNK_FILES, episode_index=episode)


def _after(file: tuple[int, int]) -> tuple[int, int]:
    chunk, number = file
    return (chunk + 1, 0) if number + 1 == CHUNK_FILES else (chunk, number + 1)


def _first_seen(names) -> list[str]:
    return list(dict.fromkeys(names))


def _append(names: list[str], more) -> None:
    names += [n for n in dict.fromkeys(more) if n not in names]


def derive(root: Path, spec: DatasetSpec) -> None:
    """Makes info.json, stats.json, tasks.parquet and subtasks.parquet from meta/episodes."""
    rows = episode_rows(root)
    info = spec.info()
    tasks = _first_seen(t for row in rows for t in row["tasks"])
    subtasks = _first_seen(s for row in rows for s in json.loads(row["vipa/meta"])["subtasks"])
    info |= {
        "total_episodes": len(rows),
        "total_frames": rows[-1]["dataset_to_index"] if rows else 0,
        "total_tasks": len(tasks),
        "splits": {"train": f"0:{len(rows)}"} if rows else {},
    }
    names = sorted({key.split("/")[1] for row in rows for key in row if key.startswith("stats/")})
    stats = {}
    for name in names:
        prefix = f"stats/{name}/"
        parts = [{k.removeprefix(prefix): np.array(v) for k, v in row.items() if k.startswith(prefix)} for row in rows]
        stats[name] = {k: v.tolist() for k, v in aggregate(parts).items()}
    tables.write(tables.names_table(tasks, "task_index"), root / "meta" / "tasks.parquet")
    tables.write(tables.names_table(subtasks, "subtask_index"), root / "meta" / "subtasks.parquet")
    files.write_json(root / "meta" / "stats.json", stats)
    files.write_json(root / "meta" / "info.json", info)
