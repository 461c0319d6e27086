"""How a dataset lies on disk: staged episodes into LeRobotDataset v3.0 files, and what is derived from meta/episodes."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vipa import files
from vipa.dataset import tables
from vipa.dataset.episode import video_path
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
from vipa.dataset.video import concatenate


def episode_rows(root: Path) -> list[dict[str, Any]]:
    """Rows of meta/episodes, in order."""
    rows = []
    for path in sorted((root / "meta" / "episodes").glob("chunk-*/file-*.parquet")):
        rows += tables.read(path).to_pylist()
    return rows


class Layout:
    """Lays staged episodes out behind those that are there."""

    def __init__(self, root: Path, spec: DatasetSpec, rows: list[dict[str, Any]]):
        self.root, self.spec, self.rows = root, spec, rows
        self.tasks = _first_seen(t for row in rows for t in row["tasks"])
        self.subtasks = _first_seen(s for row in rows for s in json.loads(row["vipa/meta"])["subtasks"])

    def add(self, records: list[dict[str, Any]], progress: Callable[[float], None] | None) -> None:
        number, frame = len(self.rows), self.rows[-1]["dataset_to_index"] if self.rows else 0
        file = self._next("meta/episodes/")
        new = []
        for record in records:
            _append(self.tasks, [record["instruction"]])
            _append(self.subtasks, record["subtasks"])
            row = {
                "episode_index": number,
                "tasks": [record["instruction"]],
                "length": record["length"],
                "dataset_from_index": frame,
                "dataset_to_index": frame + record["length"],
                "meta/episodes/chunk_index": file[0],
                "meta/episodes/file_index": file[1],
                "vipa/key": record["key"],
                "vipa/meta": json.dumps(record["meta"] | {"subtasks": record["subtasks"]}),
            }
            number, frame = number + 1, frame + record["length"]
            new.append(row)
        steps = 2 + len(self.spec.videos)
        done = 0

        def step():
            nonlocal done
            done += 1
            if progress:
                progress(min(done / steps, 1.0))

        self._add_data(records, new)
        step()
        for key in self.spec.videos:
            self._add_video(key, records, new)
            step()
        self._add_depth(records, new)
        for row, record in zip(new, records, strict=True):
            self._add_stats(row, record)
        table = pa.Table.from_pylist(new)
        tables.write(table, self.root / EPISODES_PATH.format(chunk_index=file[0], file_index=file[1]))
        step()

    def _next(self, prefix: str) -> tuple[int, int]:
        """(chunk, file) after the last one that an episode uses for `prefix`."""
        if not self.rows:
            return 0, 0
        used = max((row[f"{prefix}chunk_index"], row[f"{prefix}file_index"]) for row in self.rows)
        return _after(used)

    def _batches(self, records, new, prefix: str, sizes: list[int], limit_mb: int):
        """Groups of (record, row) that share a file, none larger than the limit unless a single episode is."""
        file = self._next(prefix)
        batch, total = [], 0
        for record, row, size in zip(records, new, sizes, strict=True):
            if batch and total + size > limit_mb << 20:
                yield file, batch
                file, batch, total = _after(file), [], 0
            row[f"{prefix}chunk_index"], row[f"{prefix}file_index"] = file
            batch.append((record, row))
            total += size
        yield file, batch

    def _add_data(self, records, new) -> None:
        sizes = [(r["folder"] / "data.parquet").stat().st_size for r in records]
        for (chunk, file), batch in self._batches(records, new, "data/", sizes, DATA_FILE_MB):
            path = self.root / DATA_PATH.format(chunk_index=chunk, file_index=file)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            writer = None
            for record, row in batch:
                table = self._data_table(record, row)
                writer = writer or pq.ParquetWriter(temporary, table.schema, compression="snappy")
                writer.write_table(table, row_group_size=max(1, len(table)))  # one an episode, as LeRobot 0.6.1 has it
            writer.close()
            os.replace(temporary, path)

    def _data_table(self, record, row) -> pa.Table:
        table = tables.read(record["folder"] / "data.parquet")
        count = row["length"]
        if "subtask_index" in table.column_names:
            to_global = np.array([self.subtasks.index(s) for s in record["subtasks"]] or [0])
            mapped = to_global[tables.values(table["subtask_index"])]
            place = table.column_names.index("subtask_index")
            table = table.set_column(place, "subtask_index", pa.array(mapped, pa.int64()))
            record["stats"]["subtask_index"] = vector_stats(mapped[:, None])
        frames = np.arange(count)
        extra = {
            "timestamp": frames / self.spec.fps,
            "frame_index": frames,
            "episode_index": np.full(count, row["episode_index"]),
            "index": row["dataset_from_index"] + frames,
            "task_index": np.full(count, self.tasks.index(record["instruction"])),
        }
        for name, values in extra.items():
            table = table.append_column(name, tables.column(values, INDEX_FEATURES[name]))
        return table.combine_chunks()

    def _add_video(self, key: str, records, new) -> None:
        sizes = [video_path(r["folder"], key).stat().st_size for r in records]
        for (chunk, file), batch in self._batches(records, new, f"videos/{key}/", sizes, VIDEO_FILE_MB):
            path = self.root / VIDEO_PATH.format(video_key=key, chunk_index=chunk, file_index=file)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            lengths = [row["length"] for _, row in batch]
            concatenate([video_path(r["folder"], key) for r, _ in batch], lengths, self.spec.fps, temporary)
            os.replace(temporary, path)
            before = 0
            for _, row in batch:
                row[f"videos/{key}/from_timestamp"] = before / self.spec.fps
                before += row["length"]
                row[f"videos/{key}/to_timestamp"] = before / self.spec.fps

    def _add_depth(self, records, new) -> None:
        for camera in (c.name for c in self.spec.cameras if c.depth):
            for record, row in zip(records, new, strict=True):
                path = self.root / depth_path(camera, row["episode_index"])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)  # of a finalize that was killed
                try:
                    os.link(record["folder"] / f"{camera}.mkv", path)
                except OSError:
                    shutil.copyfile(record["folder"] / f"{camera}.mkv", path)

    def _add_stats(self, row, record) -> None:
        """LeRobot's stats of the columns that the writer makes join those of the episode."""
        frames = np.arange(row["length"])[:, None]
        made = {
            "timestamp": frames / self.spec.fps,
            "frame_index": frames,
            "episode_index": frames * 0 + row["episode_index"],
            "index": frames + row["dataset_from_index"],
            "task_index": frames * 0 + self.tasks.index(record["instruction"]),
        }
        for name, entry in (record["stats"] | {n: vector_stats(v) for n, v in made.items()}).items():
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
