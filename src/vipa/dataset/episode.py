"""One episode on its way into a dataset: written to a staging folder that appears when it is complete."""

import errno
import fcntl
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vipa import files
from vipa.dataset import language, tables
from vipa.dataset.depth import quantized
from vipa.dataset.features import IMAGES, depth_feature
from vipa.dataset.segment import Segment
from vipa.dataset.spec import DEPTH, DatasetSpec, check_frame
from vipa.dataset.stats import ImageStats, vector_stats
from vipa.dataset.video import VideoWriter
from vipa.errors import VipaError

RECORD = "episode.json"
LOCK = ".lock"  # beside the staging folder: who changes what is part of the dataset


class EpisodeWriter:
    """Writes the folder `staging`/`key`: data.parquet, <camera>.mp4, <camera>_depth.mp4, <camera>.mkv, episode.json. One thread; any number
    of processes may write episodes of different keys at once.

    Until `save` it is a hidden folder, so that a killed process leaves no half episode; the writer holds a lock on it, which
    tells one that is being written from one that was left.
    """

    def __init__(self, staging: Path, spec: DatasetSpec, key: str):
        """Raises VipaError for a key that is no file name."""
        if not key or "/" in key or key.startswith("."):
            raise VipaError(f"episode key '{key}': want a file name that does not begin with a dot")
        self.spec, self.key, self.length = spec, key, 0
        self._final = Path(staging) / key
        self._folder = Path(staging) / f".{key}.{uuid.uuid4().hex[:8]}"
        Path(staging).parent.mkdir(parents=True, exist_ok=True)
        with files.locked(Path(staging).parent / LOCK):  # a sweep sees it together with its own lock, or not at all
            self._folder.mkdir(parents=True)
            self._lock = os.open(self._folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._columns: dict[str, list[np.ndarray]] = {name: [] for name in spec.features}
        self._videos: dict[str, VideoWriter] = {}
        self._image_stats: dict[str, ImageStats] = {}
        for camera in spec.cameras:
            size = camera.height, camera.width, spec.fps
            self._videos[IMAGES + camera.name] = VideoWriter(video_path(self._folder, IMAGES + camera.name), *size)
            self._image_stats[IMAGES + camera.name] = ImageStats()
            if camera.depth:
                self._videos[DEPTH + camera.name] = VideoWriter(self._folder / f"{camera.name}.mkv", *size, "depth")
            if camera.name in spec.depth_videos:
                name = depth_feature(camera.name)
                self._videos[name] = VideoWriter(video_path(self._folder, name), *size, "depth map")
                self._image_stats[name] = ImageStats(depth=True)

    def add(self, frame: dict[str, np.ndarray]) -> None:
        """The next frame: all of the spec's features, pictures and depths. Raises VipaError if it does not fit the spec."""
        check_frame(frame, self.spec)
        for name, rows in self._columns.items():
            rows.append(np.asarray(frame[name], self.spec.features[name].dtype).copy())
        maps = {depth_feature(c): frame[DEPTH + c] for c in self.spec.depth_videos}
        for name, video in self._videos.items():
            video.add(quantized(maps[name]) if name in maps else frame[name])
        for name, stats in self._image_stats.items():
            stats.add(maps[name] if name in maps else frame[name])
        self.length += 1

    def save(self, instruction: str, subtasks: list[str], meta: dict[str, Any] | None = None) -> None:
        """Completes the episode. `subtasks`: the names that its subtask_index counts. `meta`: JSON values.

        Raises VipaError if it has no frame, a subtask_index names none of `subtasks`, or the key was saved already.
        """
        if not self.length:
            raise VipaError(f"episode {self.key}: no frames")
        arrays = {name: np.stack(rows) for name, rows in self._columns.items()}
        numbers = arrays.get("subtask_index", np.zeros(1, np.int64))
        if numbers.min() < 0 or (len(subtasks) and numbers.max() >= len(subtasks)):
            raise VipaError(
                f"episode {self.key}: subtask_index {numbers.min()} to {numbers.max()}; allowed: 0 to {len(subtasks) - 1}"
            )
        stats = {name: vector_stats(array) for name, array in arrays.items()}
        for name, video in self._videos.items():
            video.close()
            if name in self._image_stats:
                stats[name] = self._image_stats[name].result()
        columns = {name: tables.column(array, self.spec.features[name]) for name, array in arrays.items()}
        if self.spec.language:
            numbers = np.broadcast_to(numbers.reshape(-1), self.length)
            columns |= language.columns(instruction, list(subtasks), numbers, self.spec.fps)
        tables.write(pa.table(columns), self._folder / "data.parquet")
        record = {
            "key": self.key,
            "instruction": instruction,
            "length": self.length,
            "subtasks": list(subtasks),
            "meta": meta or {},
            "stats": {name: {k: v.tolist() for k, v in entry.items()} for name, entry in stats.items()},
        }
        (self._folder / RECORD).write_text(json.dumps(record), encoding="utf-8")
        try:
            os.rename(self._folder, self._final)
        except OSError as error:
            self.discard()
            there = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
            raise VipaError(f"episode {self.key}: {'saved already' if there else error.strerror}") from None
        self._release()

    def discard(self) -> None:
        """Throws away what was written."""
        for video in self._videos.values():
            video.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def video_path(folder: Path, feature: str) -> Path:
    """A feature's video in the folder of an episode that is staged."""
    return folder / f"{feature.removeprefix(IMAGES)}.mp4"


def sweep(staging: Path) -> None:
    """Removes what writers that are gone have left half written, and `staging` if nothing else is in it. The dataset's LOCK
    is held by the caller."""
    for folder in Path(staging).glob(".*"):
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass  # is being written
        finally:
            os.close(lock)
    try:
        Path(staging).rmdir()
    except OSError:
        pass  # is not there, or not empty


@dataclass
class StagedEpisode:
    """A complete episode in a staging folder. `vipa.dataset.layout.Layout` lays out whatever has these fields and methods."""

    folder: Path
    key: str
    instruction: str
    length: int
    subtasks: list[str]
    meta: dict[str, Any]
    stats: dict[str, dict[str, Any]]

    def table(self) -> pa.Table:
        """Its rows, without the columns that LeRobot numbers; subtask_index counts `subtasks`."""
        return tables.read(self.folder / "data.parquet")

    def table_size(self) -> int:
        """Bytes of `table` on disk, about."""
        return (self.folder / "data.parquet").stat().st_size

    def video(self, feature: str) -> list[Segment]:
        """A feature's frames, as segments of one form that begin at key frames."""
        return [Segment(video_path(self.folder, feature), 0, self.length)]

    def depth(self, camera: str) -> list[Segment]:
        """The camera's depth without loss, likewise."""
        return [Segment(self.folder / f"{camera}.mkv", 0, self.length)]


def staged(staging: Path) -> list[StagedEpisode]:
    """The complete episodes in `staging`, in the order in which they were recorded (meta: recorded), else of their keys."""
    found = []
    for path in sorted(Path(staging).glob(f"[!.]*/{RECORD}")):
        try:
            found.append(StagedEpisode(path.parent, **json.loads(path.read_text(encoding="utf-8"))))
        except FileNotFoundError:
            pass  # another process has just made it part of the dataset
    return sorted(found, key=lambda e: (str(e.meta.get("recorded", "")), e.key))
