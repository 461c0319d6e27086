"""Reads a dataset: episodes with their columns, pictures and depth. Needs neither ROS nor torch."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vipa.dataset import tables
from vipa.dataset.features import IMAGES
from vipa.dataset.layout import depth_path
from vipa.dataset.spec import CAMERA_POSE, OLD_SCHEMA, DatasetSpec, has_section, spec_of
from vipa.dataset.video import read_frames
from vipa.errors import VipaError
from vipa.geometry import poses


@dataclass(frozen=True)
class DatasetEpisode:
    """One episode. key: its unique name. meta: what was saved with it, with `subtasks`. table: its rows of data/.

    `episode["observation.state"]` is a column: (T, n), or (T,) for one of a single element.
    """

    root: Path
    fps: int
    index: int
    key: str
    instruction: str
    length: int
    meta: dict[str, Any]
    row: dict[str, Any]
    table: pa.Table

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.table.column_names:
            raise VipaError(f"{self.root}: no column '{name}'; allowed: {', '.join(self.table.column_names)}")
        return tables.values(self.table[name])

    def images(self, camera: str, first: int = 0, count: int | None = None) -> np.ndarray:
        """Frames first .. first + count - 1 (None: to the end): (count, H, W, 3) uint8 RGB. Raises VipaError."""
        key = IMAGES + camera
        if f"videos/{key}/file_index" not in self.row:
            raise VipaError(f"{self.root}: no camera '{camera}'")
        start = round(self.row[f"videos/{key}/from_timestamp"] * self.fps)
        return read_frames(self.video_path(camera), start + first, self._count(first, count), self.fps)

    def depth(self, camera: str, first: int = 0, count: int | None = None) -> np.ndarray:
        """The same frames' depth: (count, H, W) uint16 millimetres, 0 = nothing measured. Raises VipaError."""
        path = self.root / depth_path(camera, self.index)
        if not path.is_file():
            raise VipaError(f"{self.root}: no depth of camera '{camera}' for episode {self.index}")
        return read_frames(path, first, self._count(first, count), self.fps, depth=True)

    def intrinsics(self, camera: str) -> np.ndarray | None:
        """(T, 3, 3) float64, pixels; None where the dataset does not say."""
        if f"observation.intrinsics.{camera}" in self.table.column_names:
            return self[f"observation.intrinsics.{camera}"].astype(float).reshape(-1, 3, 3)
        known = self._geometry(camera).get("intrinsics")
        return None if known is None else np.tile(np.array(known, float).reshape(3, 3), (self.length, 1, 1))

    def extrinsics(self, camera: str) -> np.ndarray | None:
        """(T, 4, 4) float64, world ← optical frame, metres; None where the dataset does not say."""
        if f"observation.extrinsics.{camera}" in self.table.column_names:
            return self[f"observation.extrinsics.{camera}"].astype(float).reshape(-1, 4, 4)
        if CAMERA_POSE + camera in self.table.column_names:
            return poses.matrices(self[CAMERA_POSE + camera].astype(float))
        known = self._geometry(camera).get("extrinsics")
        return None if known is None else np.tile(np.array(known, float).reshape(4, 4), (self.length, 1, 1))

    def _geometry(self, camera: str) -> dict[str, Any]:
        cameras = self.meta.get("cameras")
        found = cameras.get(camera) if isinstance(cameras, dict) else None
        return found if isinstance(found, dict) else {}

    def point(self, name: str) -> np.ndarray:
        """(T, 3) float64 of `target` or `tip`, metres in the first arm's base frame; NaN where it is not known."""
        if name not in self.table.column_names:
            return np.full((self.length, 3), np.nan)
        values = self[name].astype(float).reshape(self.length, -1)
        if values.shape[1] == 4:
            values[values[:, 3] == 0] = np.nan
        return values[:, :3]

    @property
    def stamps(self) -> np.ndarray | None:
        """(T, 1 + cameras) int64: when the joints and each camera's picture were captured, nanoseconds of ROS time."""
        for name in ("stamp_ns", "observation.stamp_ns"):
            if name in self.table.column_names:
                return self[name].reshape(self.length, -1)
        return None

    def video_path(self, camera: str) -> Path:
        """The file that holds the camera's pictures of this episode (and of others)."""
        key = IMAGES + camera
        chunk, file = self.row[f"videos/{key}/chunk_index"], self.row[f"videos/{key}/file_index"]
        return self.root / f"videos/{key}/chunk-{chunk:03d}/file-{file:03d}.mp4"

    def _count(self, first: int, count: int | None) -> int:
        count = self.length - first if count is None else count
        if first < 0 or count < 0 or first + count > self.length:
            raise VipaError(
                f"episode {self.index}: frames {first} to {first + count - 1}; allowed: 0 to {self.length - 1}"
            )
        return count


class Dataset:
    """A LeRobot v3.0 dataset that is complete: `finalize` was called. Not for several threads at once.

    spec: its cameras and features. Of one of ours that LeRobot's own tools have edited, episodes are called episode-<index> and have
    no meta; `lost` says what else is gone.

    Args:
        root: folder with meta/info.json.

    Raises:
        VipaError: it is no such dataset, or a file of it cannot be read. So do the methods.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        path = self.root / "meta" / "info.json"
        self.info: dict[str, Any] = read_info(path)
        self.spec: DatasetSpec = spec_of(self.info, str(path))
        self._cached: tuple[Path, pa.Table] | None = None

    @cached_property
    def lost(self) -> list[str]:
        lines = []
        if self.spec.schema == OLD_SCHEMA:
            lines.append(f"it was built by an earlier version ({OLD_SCHEMA}); nothing can be added to it")
        elif not has_section(self.info):
            lines.append(
                "meta/info.json has no section 'vipa': written by other tools, such as LeRobot's, which leave it out. Lost: depth, "
                "groups and their base frames. The dataset that it was made from, or the runs, still have them"
            )
        if any("vipa/key" not in row for row in self.rows):
            lines.append(
                "meta/episodes has no columns vipa/key and vipa/meta: seed, outcome and commander of episodes are lost"
            )
        if "subtask_index" in self.spec.features and not (self.root / "meta" / "subtasks.parquet").is_file():
            lines.append("meta/subtasks.parquet is not there: names of sub-tasks are lost, their numbers remain")
        return lines

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of meta/episodes without their statistics, in order."""
        rows = []
        for path in sorted((self.root / "meta" / "episodes").glob("chunk-*/file-*.parquet")):
            table = tables.read(path)
            rows += table.select([c for c in table.column_names if not c.startswith("stats/")]).to_pylist()
        return rows

    @cached_property
    def tasks(self) -> list[str]:
        """Instructions, by task_index."""
        return tables.read_names(self.root / "meta" / "tasks.parquet")

    @cached_property
    def subtasks(self) -> list[str]:
        """Sub-task names, by subtask_index."""
        return tables.read_names(self.root / "meta" / "subtasks.parquet")

    @cached_property
    def stats(self) -> dict[str, dict[str, np.ndarray]]:
        """stats.json: by feature and kind."""
        path = self.root / "meta" / "stats.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return {name: {kind: np.array(value) for kind, value in entry.items()} for name, entry in data.items()}
        except (OSError, ValueError, RecursionError, AttributeError) as error:
            raise VipaError(f"{path}: {error}") from None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self):
        return (self.episode(i) for i in range(len(self)))

    def episode(self, index: int) -> DatasetEpisode:
        """Raises VipaError for an index that is not there."""
        if not 0 <= index < len(self.rows):
            raise VipaError(f"{self.root}: episode {index}; allowed: 0 to {len(self.rows) - 1}")
        row = self.rows[index]
        path = self.root / f"data/chunk-{row['data/chunk_index']:03d}/file-{row['data/file_index']:03d}.parquet"
        if self._cached is None or self._cached[0] != path:
            self._cached = path, tables.read(path)
        table = self._cached[1]
        offset = row["dataset_from_index"] - (table["index"][0].as_py() if len(table) else 0)
        try:
            meta = json.loads(row["vipa/meta"]) if row.get("vipa/meta") else {"subtasks": []}
        except ValueError as error:
            raise VipaError(f"{self.root}: meta/episodes, episode {index}: vipa/meta: {error}") from None
        return DatasetEpisode(
            self.root,
            self.spec.fps,
            index,
            key_of(row),
            row["tasks"][0],
            row["length"],
            meta,
            row,
            table.slice(offset, row["length"]),
        )


def key_of(row: dict[str, Any]) -> str:
    """The unique name of the episode of a row of meta/episodes."""
    return row.get("vipa/key") or f"episode-{row['episode_index']:06d}"


def read_info(path: Path) -> dict[str, Any]:
    """meta/info.json. Raises VipaError if it is no JSON."""
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise VipaError(f"{path}: {error.strerror}; allowed: the folder of a dataset, with meta/info.json") from None
    except (ValueError, RecursionError) as error:
        raise VipaError(f"{path}: {error}; allowed: the folder of a dataset, with meta/info.json") from None
