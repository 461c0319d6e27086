"""A part of an episode of a dataset, as what a new dataset is laid out of."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vipa.dataset import language, tables
from vipa.dataset.features import IMAGES, depth_feature
from vipa.dataset.layout import depth_path
from vipa.dataset.reader import Dataset, DatasetEpisode
from vipa.dataset.segment import Segment, at_key_frames
from vipa.dataset.spec import INDEX_FEATURES
from vipa.dataset.stats import ImageStats, vector_stats
from vipa.errors import VipaError

BLOCK = 64  # frames that are decoded at once
_KEPT = "recorded_instruction"  # in an episode's meta: what it had before it was relabelled


class Excerpt:
    """Frames first .. first + length - 1 of an episode, to be laid out (`vipa.dataset.layout.EpisodeSource`). One thread.

    Args:
        dataset: one of ours, complete.
        row: the episode's row of meta/episodes, with its statistics.
        work: folder for video that must be encoded anew; there until the new dataset is laid out.
        first: frame of the episode.
        length: frames; None: to the end.
    """

    def __init__(self, dataset: Dataset, row: dict[str, Any], work: Path, first: int = 0, length: int | None = None):
        episode = dataset.episode(row["episode_index"])
        self.dataset, self.row, self.work, self.first = dataset, row, work, first
        self.key, self.instruction = episode.key, episode.instruction
        self.length = episode.length - first if length is None else length
        self.meta = {k: v for k, v in episode.meta.items() if k != "subtasks"}
        self.subtasks: list[str] = list(episode.meta.get("subtasks", []))
        self._names = list(self.subtasks)  # as the dataset calls them
        self.trimmed = (first, self.length) != (0, episode.length)
        if self.trimmed:
            self._trim_meta(episode)

    def relabel(self, instruction: str | None, subtasks: dict[str, str]) -> None:
        """Gives the episode another instruction (None: its own), and its sub-tasks other names (old → new)."""
        if instruction is not None and instruction != self.instruction:
            self.meta.setdefault(_KEPT, self.instruction)
            self.instruction = instruction
        self.subtasks = [subtasks.get(name, name) for name in self.subtasks]

    def _trim_meta(self, episode: DatasetEpisode) -> None:
        seconds = self.first / episode.fps
        self.meta["trimmed"] = {"first": self.first, "frames": self.length, "of": episode.length}
        if "start_ns" in self.meta:
            self.meta["start_ns"] += round(self.first * 1e9 / episode.fps)
        if drives := self.meta.get("drives"):
            moved = [[round(at - seconds, 3), *who] for at, *who in drives]
            begun = [d for d in moved if d[0] <= 0][-1:]
            self.meta["drives"] = begun + [d for d in moved if 0 < d[0] < self.length / episode.fps]
            flags = [False, *(bool(d[2]) for d in self.meta["drives"])]
            self.meta["interventions"] = sum(now and not was for was, now in zip(flags, flags[1:]))

    def table(self) -> pa.Table:
        """Its rows, without the columns that LeRobot numbers; subtask_index counts `subtasks`. Raises VipaError."""
        table = self._episode().table.slice(self.first, self.length)
        spec, lost = self.dataset.spec, [n for n in self.dataset.spec.features if n not in table.column_names]
        if len(table) != self.length or lost:
            raise VipaError(
                f"{self.dataset.root}: episode {self.row['episode_index']} has {len(table)} rows, want {self.length}"
                f"{'; no ' + ', '.join(lost) if lost else ''}: vipa dataset check tells more"
            )
        arrays = {name: tables.values(table[name]).reshape(self.length, -1) for name in spec.features}
        if "subtask_index" in arrays:
            arrays["subtask_index"] = self._own_numbers(arrays["subtask_index"])
        columns = {name: tables.column(array, spec.features[name]) for name, array in arrays.items()}
        if spec.language:
            numbers = arrays.get("subtask_index", np.zeros((self.length, 1), np.int64)).reshape(-1)
            columns |= language.columns(self.instruction, self.subtasks, numbers, spec.fps)
        return pa.table(columns)

    def table_size(self) -> int:
        """Bytes of its rows on disk, about: its share of the file that it lies in."""
        row, root = self.row, self.dataset.root
        path = root / f"data/chunk-{row['data/chunk_index']:03d}/file-{row['data/file_index']:03d}.parquet"
        place = "data/chunk_index", "data/file_index"
        beside = sum(r["length"] for r in self.dataset.rows if all(r[k] == row[k] for k in place))
        return path.stat().st_size * self.length // max(beside, 1)

    @cached_property
    def stats(self) -> dict[str, dict[str, Any]]:
        """Statistics of its columns, and of its pictures: those that the dataset has, or, of a part, made anew."""
        table = self.table()
        found = {n: vector_stats(tables.values(table[n]).reshape(self.length, -1)) for n in self.dataset.spec.features}
        return found | (self._image_stats() if self.trimmed else self._stats_there())

    def video(self, feature: str) -> list[Segment]:
        """A feature's frames, as segments of one form that begin at key frames."""
        row, fps = self.row, self.dataset.spec.fps
        chunk, file = row[f"videos/{feature}/chunk_index"], row[f"videos/{feature}/file_index"]
        path = self.dataset.root / f"videos/{feature}/chunk-{chunk:03d}/file-{file:03d}.mp4"
        first = round(row[f"videos/{feature}/from_timestamp"] * fps) + self.first
        kind = "depth map" if feature in map(depth_feature, self.dataset.spec.depth_videos) else "color"
        return at_key_frames(Segment(path, first, self.length), fps, kind, self.work, f"{self.key}.{feature}")

    def depth(self, camera: str) -> list[Segment]:
        """The camera's depth without loss, likewise."""
        whole = Segment(self.dataset.root / depth_path(camera, self.row["episode_index"]), self.first, self.length)
        return at_key_frames(whole, self.dataset.spec.fps, "depth", self.work, f"{self.key}.{camera}.depth")

    def _episode(self) -> DatasetEpisode:
        return self.dataset.episode(self.row["episode_index"])

    def _own_numbers(self, numbers: np.ndarray) -> np.ndarray:
        """Rows of subtasks.parquet as places in the episode's own list."""
        known = self.dataset.subtasks
        place = {known.index(name): k for k, name in reversed(list(enumerate(self._names))) if name in known}
        try:
            return np.vectorize(lambda n: place[int(n)] if place else 0, otypes=[np.int64])(numbers)
        except KeyError as error:
            raise VipaError(
                f"{self.dataset.root}: episode {self.row['episode_index']}: subtask_index {error} is none of its sub-tasks"
            ) from None

    def _stats_there(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for column, value in self.row.items():
            if column.startswith("stats/"):
                _, name, kind = column.split("/")
                if name not in self.dataset.spec.features and name not in INDEX_FEATURES:
                    found.setdefault(name, {})[kind] = value
        return found

    def _image_stats(self) -> dict[str, dict[str, Any]]:
        spec, episode = self.dataset.spec, self._episode()
        found = {IMAGES + c.name: ImageStats() for c in spec.cameras}
        found |= {depth_feature(name): ImageStats(depth=True) for name in spec.depth_videos}
        for begin in range(self.first, self.first + self.length, BLOCK):
            count = min(BLOCK, self.first + self.length - begin)
            for camera in spec.cameras:
                for image in episode.images(camera.name, begin, count):
                    found[IMAGES + camera.name].add(image)
            for camera_name in spec.depth_videos:
                for image in episode.depth(camera_name, begin, count):
                    found[depth_feature(camera_name)].add(image)
        return {name: stats.result() for name, stats in found.items()}


def relabelled(meta: dict[str, Any]) -> bool:
    """Whether an episode of that meta has been given another instruction than it was recorded with."""
    return _KEPT in meta
