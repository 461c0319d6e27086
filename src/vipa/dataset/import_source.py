"""LeRobot datasets v2.0, v2.1 and v3.0 as others publish them: their episodes, columns and pictures, read one by one."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vipa import documents
from vipa.dataset import tables
from vipa.dataset.layout import episode_rows
from vipa.errors import VipaError

VERSIONS = ("v2.0", "v2.1", "v3.0")


@dataclass(frozen=True)
class SourceEpisode:
    """index: its number there. tasks: LeRobot's instructions of it. row: of meta/episodes (v3.0), else empty."""

    index: int
    length: int
    tasks: tuple[str, ...]
    row: dict[str, Any]


class SourceDataset:
    """A LeRobot dataset of another's. Not for several threads.

    fps, features: as its info.json says. episodes: in order.

    Args:
        root: folder with meta/info.json.

    Raises:
        VipaError: it is none, or of another version, or its tables of episodes cannot be read. So do the methods.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        self.where = f"{self.root}/meta/info.json"
        info = documents.read_json(self.root / "meta" / "info.json")
        version = info.get("codebase_version") if isinstance(info, dict) else None
        if version not in VERSIONS:
            raise VipaError(f"{self.where}: codebase_version {str(version)[:40]}; allowed: {', '.join(VERSIONS)}")
        if "vipa" in info:
            raise VipaError(f"{self.root}: is a dataset of ours already; allowed: one without a section 'vipa'")
        self.info, self.version = info, version
        fps = info.get("fps")
        if type(fps) not in (int, float) or not math.isfinite(fps) or fps != int(fps) or not 1 <= fps <= 1000:
            raise VipaError(f"{self.where}: fps {str(fps)[:40]}; allowed: 1 to 1000, whole")
        self.fps = int(fps)
        if not isinstance(info.get("features"), dict):
            raise VipaError(f"{self.where}: features is no mapping; allowed: what LeRobot has there")
        self.features: dict[str, Any] = info["features"]

    @cached_property
    def episodes(self) -> list[SourceEpisode]:
        try:
            if self.version == "v3.0":
                found = [
                    SourceEpisode(int(r["episode_index"]), int(r["length"]), tuple(map(str, r["tasks"])), r)
                    for r in episode_rows(self.root)
                ]
            else:
                found = [
                    SourceEpisode(int(r["episode_index"]), int(r["length"]), tuple(map(str, r.get("tasks", []))), {})
                    for r in _lines(self.root / "meta" / "episodes.jsonl")
                ]
        except (KeyError, TypeError, ValueError) as error:
            raise VipaError(f"{self.root}/meta: an episode without number, length or tasks: {error!r}") from None
        if not found:
            raise VipaError(f"{self.root}/meta: no episodes")
        return found

    def size(self, column: str) -> tuple[int, int]:
        """(height, width) of a camera's pictures: those of the first episode, whatever info.json says."""
        return next(self.pictures(self.episodes[0], column)).shape[:2]

    def columns(self, episode: SourceEpisode, names: list[str]) -> dict[str, np.ndarray]:
        """Columns of numbers (T, n), and of text (T,) object. Raises VipaError if one is not there, or not whole."""
        table = self._table(episode, tuple(names))
        found = {}
        for name in names:
            kind = table.schema.field(name).type
            values = table[name].to_pylist()
            if pa.types.is_string(kind) or pa.types.is_large_string(kind):
                found[name] = np.array(["" if v is None else v for v in values], object)
                continue
            try:
                array = np.array(values, float).reshape(episode.length, -1)
            except (TypeError, ValueError) as error:
                raise VipaError(f"{self.root}: episode {episode.index}: {name}: {error}") from None
            if not np.isfinite(array).all():
                frame = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
                raise VipaError(f"{self.root}: episode {episode.index}: {name} is not finite in frame {frame}")
            found[name] = array
        return found

    def pictures(self, episode: SourceEpisode, column: str) -> Iterator[np.ndarray]:
        """The episode's pictures one by one, (H, W, 3) uint8 RGB. Raises VipaError, also if there are too few."""
        kind = self.features.get(column, {}).get("dtype") if isinstance(self.features.get(column), dict) else None
        if kind not in ("video", "image"):
            cameras = [
                n for n, f in self.features.items() if isinstance(f, dict) and f.get("dtype") in ("video", "image")
            ]
            raise VipaError(f"{self.root}: no camera {column}; allowed: {', '.join(cameras) or 'none'}")
        return self._of_video(episode, column) if kind == "video" else self._of_table(episode, column)

    def _of_table(self, episode: SourceEpisode, column: str) -> Iterator[np.ndarray]:
        table = self._table(episode, (column,))
        for number, value in enumerate(table[column]):
            entry = value.as_py()
            data = entry.get("bytes") if isinstance(entry, dict) else entry
            if data is None and isinstance(entry, dict) and isinstance(entry.get("path"), str):
                data = self._inside(entry["path"]).read_bytes()
            image = cv2.imdecode(np.frombuffer(data or b"\0", np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                raise VipaError(f"{self.root}: episode {episode.index}: {column} of frame {number} is no picture")
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def _of_video(self, episode: SourceEpisode, column: str) -> Iterator[np.ndarray]:
        path, first = self._video(episode, column)
        found = 0
        try:
            with av.open(str(path)) as file:
                stream = file.streams.video[0]
                if first:
                    file.seek(round(Fraction(first, self.fps) / stream.time_base), stream=stream)
                for frame in file.decode(stream):
                    if round(frame.pts * stream.time_base * self.fps) < first:
                        continue
                    found += 1
                    yield frame.to_ndarray(format="rgb24")
                    if found == episode.length:
                        return
        except (av.FFmpegError, IndexError, OSError) as error:
            raise VipaError(f"{path}: {error}") from None
        raise VipaError(f"{path}: {found} frames from {first}, want {episode.length}")

    def _video(self, episode: SourceEpisode, column: str) -> tuple[Path, int]:
        """The file with a camera's pictures, and the episode's first frame in it."""
        if self.version != "v3.0":
            return self._path("video_path", episode, video_key=column), 0
        row, key = episode.row, f"videos/{column}"
        try:
            first = round(row[f"{key}/from_timestamp"] * self.fps)
            place = {"chunk_index": row[f"{key}/chunk_index"], "file_index": row[f"{key}/file_index"]}
        except (KeyError, TypeError) as error:
            raise VipaError(f"{self.root}: episode {episode.index}: meta/episodes has no {error}") from None
        return self._path("video_path", episode, video_key=column, **place), first

    def _table(self, episode: SourceEpisode, names: tuple[str, ...]) -> pa.Table:
        """The episode's rows of data/."""
        place = {}
        if self.version == "v3.0":
            try:
                place = {k: episode.row[f"data/{k}"] for k in ("chunk_index", "file_index")}
            except KeyError as error:
                raise VipaError(f"{self.root}: episode {episode.index}: meta/episodes has no {error}") from None
        path = self._path("data_path", episode, **place)
        try:
            there = pq.read_schema(path).names
        except (OSError, pa.ArrowException) as error:
            raise VipaError(f"{path}: {' '.join(str(error).split())}") from None
        if lost := [n for n in (*names, "episode_index") if n not in there]:
            raise VipaError(f"{path}: no column {', '.join(lost)}; allowed: {', '.join(there)}")
        table = tables.read(path, list(dict.fromkeys([*names, "episode_index"])))
        table = table.filter(pc.equal(table["episode_index"], episode.index))
        if len(table) != episode.length:
            raise VipaError(f"{path}: episode {episode.index} has {len(table)} rows, meta/ says {episode.length}")
        return table

    def _path(self, key: str, episode: SourceEpisode, **place) -> Path:
        """A path of info.json, filled in."""
        pattern, size = self.info.get(key), self.info.get("chunks_size", 1000)
        if type(size) is not int or size < 1:
            raise VipaError(f"{self.where}: chunks_size {str(size)[:40]}; allowed: 1 or more")
        place |= {"episode_index": episode.index, "episode_chunk": episode.index // size}
        try:
            return self._inside(str(pattern).format(**place))
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise VipaError(f"{self.where}: {key} {str(pattern)[:80]!r}: {error!r}") from None

    def _inside(self, path: str) -> Path:
        found = (self.root / path).resolve()
        if not found.is_relative_to(self.root.resolve()):
            raise VipaError(f"{self.root}: {path[:80]} leads out of the dataset")
        return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file with one a line."""
    for number, line in enumerate(documents.read_text(path).splitlines(), 1):
        if line.strip():
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise VipaError(f"{path}, line {number}: {error}") from None
            if not isinstance(found, dict):
                raise VipaError(f"{path}, line {number}: no object")
            yield found
