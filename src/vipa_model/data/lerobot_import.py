"""A LeRobotDataset v3.0 folder, as `vipa dataset build` writes it (docs/dataset.md), decoded once into a FrameStore."""

from __future__ import annotations

import json
import logging
from fractions import Fraction
from pathlib import Path

import numpy as np

from vipa_model.checked import read_json
from vipa_model.configuration_vipa import GroupConfig
from vipa_model.data.frame_store import COMMANDER, NOBODY, PERSON, FrameStore, FrameStoreWriter
from vipa_model.processing.images import Crop, make_view
from vipa_model.processing.rotations import quat_to_matrix

log = logging.getLogger(__name__)
POSE = ("x", "y", "z", "qx", "qy", "qz", "qw")
VELOCITY = ("vx", "vy", "vz")
ROUNDED_NS = 500_000  # vipa/meta says when who drove in milliseconds


def import_lerobot(
    folder: str | Path, out: str | Path, image_size: int = 128, crops: dict[str, Crop] | None = None
) -> FrameStore:
    """Decode ``folder`` into the FrameStore ``out`` at ``image_size`` pixels; goes on where an earlier call stopped.

    crops: {camera: Crop}. Groups of kind ``arm`` are taken; others have no tool pose and are left out. Raises
    ValueError when the folder is another format, or lacks a column that training needs.
    """
    folder = Path(folder)
    info = read_json(folder / "meta" / "info.json")
    if info.get("codebase_version") != "v3.0":
        raise ValueError(
            f"{folder}: codebase_version {info.get('codebase_version')!r}; allowed: v3.0 (docs/dataset.md)"
        )
    if "vipa" not in info:
        log.warning("%s has no section 'vipa': written by other tools, without depth and names of sub-tasks", folder)
        info["vipa"] = {"groups": _arms(folder, info), "depth": []}
    arms = [g for g in info["vipa"]["groups"] if g["kind"] == "arm"]
    groups = [GroupConfig(g["name"], len(g["hand_joints"]), len(g["joints"])) for g in arms]
    cameras = [
        name.removeprefix("observation.images.")
        for name, entry in info["features"].items()
        if name.startswith("observation.images.") and not (entry.get("info") or {}).get("is_depth_map")
    ]
    rows = _episodes(folder)
    subtasks = _names(folder / "meta" / "subtasks.parquet") or _numbered(folder, info, rows)
    writer = FrameStoreWriter(out, cameras, image_size, groups, subtasks, float(info["fps"]), crops)
    for row in rows:
        name = f"{row['episode_index']:06d}"
        if not writer.has(name):
            arrays = _arrays(folder, info, row, arms, cameras, image_size, crops or {})
            meta = json.loads(row.get("vipa/meta") or "{}") | {"key": row.get("vipa/key", name)}
            writer.add(name, arrays, row["tasks"][0], meta)
    return FrameStore(out)


def _arms(folder: Path, info: dict) -> list[dict]:
    """The arms of a dataset without our section, by the names of its action and state. The base frames are not known: only
    what is lifted from depth, which is not there, would need them."""
    names = {c: info["features"].get(c, {}).get("names") or [] for c in ("action", "observation.state")}
    arms = []
    for arm in dict.fromkeys(n.partition(".")[0] for n in names["action"] if isinstance(n, str)):
        action = [n.removeprefix(f"{arm}.") for n in names["action"] if n.startswith(f"{arm}.")]
        if action[: len(POSE)] == list(POSE):
            hand = action[len(POSE) :]
            joints = [n.removeprefix(f"{arm}.") for n in names["observation.state"] if n.startswith(f"{arm}.")]
            joints = [j for j in joints if j not in hand]
            arms.append(
                {
                    "name": arm,
                    "kind": "arm",
                    "hand_joints": hand,
                    "joints": joints,
                    "base_in_world": [0, 0, 0, 0, 0, 0, 1],
                }
            )
    if not arms:
        raise ValueError(
            f"{folder}: no tool poses among the names of action; allowed: datasets of vipa dataset build (docs/dataset.md)"
        )
    return arms


def _numbered(folder: Path, info: dict, rows: list[dict]) -> list[str]:
    """Names for sub-tasks whose own are lost."""
    files = {(r["data/chunk_index"], r["data/file_index"]) for r in rows}
    paths = [folder / info["data_path"].format(chunk_index=c, file_index=f) for c, f in sorted(files)]
    highest = max((int(_column(path, "subtask_index").max()) for path in paths), default=-1)
    return [f"sub-task {i}" for i in range(highest + 1)]


def _arrays(
    folder: Path, info: dict, row: dict, arms: list[dict], cameras: list[str], size: int, crops: dict[str, Crop]
) -> dict[str, np.ndarray]:
    """One episode in the FrameStore's layout."""
    data = info["data_path"].format(chunk_index=row["data/chunk_index"], file_index=row["data/file_index"])
    columns = _columns(folder / data, row["episode_index"])
    pick = _Picker(folder, info, columns)
    hands = [f"{g['name']}.{j}" for g in arms for j in g["hand_joints"]]
    hand, ordered = pick("observation.state", hands), pick("action", hands)
    poses = [f"{g['name']}.{n}" for g in arms for n in POSE]
    out = {
        "tool_pose": pick("observation.tool_pose", poses),
        "tool_velocity": pick("observation.tool_velocity", [f"{g['name']}.{n}" for g in arms for n in VELOCITY]),
        "commanded_tool_pose": pick("observation.commanded_tool_pose", poses),
        "hand": hand,
        # ``action`` is what was commanded for the next tick; the store wants it at the tick.
        "commanded_hand": np.concatenate([hand[:1], ordered[:-1]]),
        "positions": pick("observation.state", [f"{g['name']}.{j}" for g in arms for j in g["joints"]]),
        "subtask": columns["subtask_index"],
        "target": _point(columns["target"]),
        "stamps": pick("stamp_ns" if "stamp_ns" in columns else "observation.stamp_ns", ["joint_states"])[:, 0],
    }
    if "tip" in columns:  # datasets of before it was recorded lack it
        out["tip"] = _point(columns["tip"])
    if "intervention" in columns:
        out["driver"] = _drivers(columns["intervention"].reshape(-1), out["stamps"], row)
    base = _matrix(np.asarray(arms[0]["base_in_world"], np.float64))
    views: dict[str, list] = {"images": [], "depth": [], "intrinsics": [], "extrinsics": []}
    for camera in cameras:
        key = f"videos/observation.images.{camera}/"
        video = info["video_path"].format(
            video_key=f"observation.images.{camera}",
            chunk_index=row[f"{key}chunk_index"],
            file_index=row[f"{key}file_index"],
        )
        first, count, fps = round(row[f"{key}from_timestamp"] * info["fps"]), row["length"], info["fps"]
        images = _decode(folder / video, first, count, fps, "rgb24")
        depths: list = [None] * count
        if camera in info["vipa"]["depth"]:
            number = row["episode_index"]
            path = info["vipa"]["depth_path"].format(
                camera=camera, chunk_index=number // info["chunks_size"], episode_index=number
            )
            depths = _decode(folder / path, 0, count, fps, "gray16le")
        k, extrinsics = _geometry(folder, columns, row, camera)
        made = [make_view(i, d, m, size, crops.get(camera)) for i, d, m in zip(images, depths, k, strict=True)]
        for name, part in zip(("images", "depth", "intrinsics"), zip(*made, strict=True), strict=True):
            views[name].append(np.stack(part))
        views["extrinsics"].append(np.linalg.inv(base) @ extrinsics)
    return out | {name: np.stack(parts, 1) for name, parts in views.items()}


def _drivers(intervened: np.ndarray, stamps: np.ndarray, row: dict) -> np.ndarray:
    """(T,) int8 of a FrameStore's ``driver``. A pause counts as an intervention in the column; which it is stands in vipa/meta, and
    where LeRobot's tools left that out every intervention is taken as somebody's driving."""
    found = np.where(intervened, PERSON, COMMANDER).astype(np.int8)
    meta = json.loads(row.get("vipa/meta") or "{}")
    begun = [meta.get("start_ns", 0) + round(at * 1e9) for at, *_ in meta.get("drives", [])]
    for i in np.flatnonzero(intervened) if begun else ():
        last = int(np.searchsorted(begun, stamps[i] + ROUNDED_NS, side="right")) - 1
        if last >= 0 and not meta["drives"][last][1]:
            found[i] = NOBODY
    return found


def _point(values: np.ndarray) -> np.ndarray:
    """(T, 3) of a column of three numbers, or of three and whether they are known; NaN where they are not."""
    if values.shape[1] == 3:
        return values
    return np.where(values[:, 3:] > 0, values[:, :3], np.nan)


def _geometry(folder: Path, columns: dict, row: dict, camera: str) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3, 3) intrinsics and (T, 4, 4) world ← optical frame: of every frame, or of the episode for a camera that stands.
    LeRobot's tools leave out what is of the episode, and depth, which needs it, with it: then a unit matrix stands for it."""
    count = row["length"]
    if f"observation.intrinsics.{camera}" in columns:  # schema vipa/dataset/1
        old = columns[f"observation.intrinsics.{camera}"], columns[f"observation.extrinsics.{camera}"]
        return old[0].reshape(-1, 3, 3), old[1].reshape(-1, 4, 4)
    known = json.loads(row.get("vipa/meta") or "{}").get("cameras", {}).get(camera, {})
    k = np.array(known.get("intrinsics", np.eye(3)), np.float64).reshape(3, 3)
    if f"camera_pose.{camera}" in columns:
        placed = np.stack([_matrix(p) for p in columns[f"camera_pose.{camera}"].astype(np.float64)])
    else:
        placed = np.tile(np.array(known.get("extrinsics", np.eye(4)), np.float64).reshape(4, 4), (count, 1, 1))
    return np.tile(k, (count, 1, 1)), placed


class _Picker:
    """Elements of vector columns by their names in info.json."""

    def __init__(self, folder: Path, info: dict, columns: dict[str, np.ndarray]) -> None:
        self.folder, self.features, self.columns = folder, info["features"], columns

    def __call__(self, column: str, names: list[str]) -> np.ndarray:
        if column not in self.columns:
            raise ValueError(f"{self.folder}: no column {column!r}; it has {sorted(self.columns)}")
        there = self.features[column]["names"]
        absent = [n for n in names if n not in there]
        if absent:
            raise ValueError(f"{self.folder}: column {column!r} has no {absent}; it has {there}")
        values = self.columns[column]
        return values.reshape(len(values), -1)[:, [there.index(n) for n in names]]


def _matrix(pose: np.ndarray) -> np.ndarray:
    """A pose (7,), metres and xyzw, as a transform (4, 4)."""
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = quat_to_matrix(pose[3:]), pose[:3]
    return out


def _episodes(folder: Path) -> list[dict]:
    import pyarrow.parquet as pq

    rows = []
    for path in sorted((folder / "meta" / "episodes").glob("chunk-*/file-*.parquet")):
        schema = pq.read_schema(path)
        wanted = [n for n in schema.names if not n.startswith("stats/")]
        rows += pq.read_table(path, columns=wanted, partitioning=None).to_pylist()
    if not rows:
        raise ValueError(f"{folder} has no episodes; allowed: at least one (is the dataset finalized?)")
    return sorted(rows, key=lambda r: r["episode_index"])


def _columns(path: Path, episode: int) -> dict[str, np.ndarray]:
    """An episode's rows of a data file as arrays (T,) or (T, n)."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path, partitioning=None)
    table = table.filter(pc.equal(table["episode_index"], episode))
    wanted = [name for name in table.column_names if not name.startswith("language_")]
    return {name: np.array(table[name].to_pylist()) for name in wanted}


def _column(path: Path, name: str) -> np.ndarray:
    import pyarrow.parquet as pq

    if name not in pq.read_schema(path).names:
        raise ValueError(f"{path}: no column {name!r}; allowed: datasets of vipa dataset build (docs/dataset.md)")
    return pq.read_table(path, columns=[name], partitioning=None)[name].to_numpy()


def _names(path: Path) -> list[str]:
    import pyarrow.parquet as pq

    return pq.read_table(path, partitioning=None).column("__index_level_0__").to_pylist() if path.is_file() else []


def _decode(path: Path, first: int, count: int, fps: int, form: str) -> np.ndarray:
    """``count`` frames from ``first``: (count, H, W, 3) uint8 for rgb24, (count, H, W) uint16 for gray16le."""
    import av

    frames = []
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        stream.thread_type = "NONE"
        if first:
            file.seek(round(Fraction(first, fps) / stream.time_base), stream=stream)
        for frame in file.decode(stream):
            if round(frame.pts * stream.time_base * fps) >= first:
                frames.append(frame.to_ndarray(format=form))
            if len(frames) == count:
                break
    if len(frames) != count:
        raise ValueError(f"{path} has {len(frames)} frames from {first}; allowed: {count}")
    return np.stack(frames)
