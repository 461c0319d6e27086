"""FrameStore: robot demonstrations as plain arrays at the policy's rate and resolution, ready for training.

A folder:

    store.json                 {"schema": "vipa/framestore/2", "rate_hz", "cameras": [...], "image_size", "groups":
                               [{"name", "hand", "joints"}], "subtasks": [names], "crops": {camera: {left, top, right,
                               bottom}}, "heads": [{"name", "joints"}], left out where there is none}
    episodes/<name>.npz        one episode (uncompressed or compressed npz, no pickle), written whole or not at all
    packed/<digest>/           all episodes end to end, memory-mapped; made anew when ``episodes`` changed

Arrays of an episode of T frames, V cameras, G groups (their last axes side by side in group order; one arm: as
written):

    images               (T, V, s, s, 3) uint8 RGB, already cropped and resized by ``images.make_view``
    depth                (T, V, s, s) uint16 mm, 0 = no reading; all 0 = the view has none
    intrinsics           (T, V, 3, 3) float32, pixels of the stored view
    extrinsics           (T, V, 4, 4) float32, base from optical
    tool_pose            (T, 7 G) float32, measured, base frame, m and xyzw
    tool_velocity        (T, 3 G) float32, measured, base frame, m/s
    commanded_tool_pose  (T, 7 G) float32, commanded at the frame's stamp
    hand                 (T, sum Hh) float32, measured opening, 0 closed to 1 open
    commanded_hand       (T, sum Hh) float32
    positions            (T, sum n) float32 rad
    subtask              (T,) int64, index into ``subtasks``, -1 unknown
    target               (T, 3) float32, position of the sub-task's object, base frame, m; NaN unknown
    stamps               (T,) int64 ns, true capture time
    tip                  (T, 3) float32, optional: the working end of what is handled (a spout, a stem's end), likewise
    label_pose, label_hand   optional, (T, H', 7 G) and (T, H', sum Hh): the expert's chunk as of each frame, step k due
                         (k + 1) / rate_hz after it. Given when the expert would have done otherwise than what was
                         executed (action noise, DAgger). Without them a frame's label is what was commanded after it.
    driver               (T,) int8, optional: who drove, 0 the episode's commander, 1 somebody who took over, 2 nobody: a pause
    head, commanded_head optional, (T, J): measured and commanded joints of the ``heads`` side by side, rad
    label_head           optional, (T, H', J): as label_pose, of the heads' joints
    instruction          () str        meta () str: JSON with anything else (seed, success, variant)

A frame's action step k is due at stamp + (k + 1) / rate_hz; past the episode's end the last command holds.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vipa_model.checked import build
from vipa_model.configuration_vipa import GroupConfig
from vipa_model.processing.images import Crop

SCHEMA = "vipa/framestore/2"
STORE_FILE = "store.json"
REQUIRED = (
    "images",
    "depth",
    "intrinsics",
    "extrinsics",
    "tool_pose",
    "tool_velocity",
    "commanded_tool_pose",
    "hand",
    "commanded_hand",
    "positions",
    "subtask",
    "target",
    "stamps",
)
LABELS = ("label_pose", "label_hand", "label_head")
OPTIONAL = ("tip", "driver", "head", "commanded_head", *LABELS)
_TYPES = {"images": np.uint8, "depth": np.uint16, "subtask": np.int64, "stamps": np.int64, "driver": np.int8}
COMMANDER, PERSON, NOBODY = 0, 1, 2  # values of ``driver``
_UNKNOWN = {"driver": np.int8(COMMANDER)}  # of episodes without an optional array; else NaN


class FrameStoreWriter:
    """Adds episodes to a store. Several processes may write into one folder: an episode is one file, renamed into
    place.
    """

    def __init__(
        self,
        folder: str | Path,
        cameras: list[str],
        image_size: int,
        groups: list[GroupConfig],
        subtasks: list[str],
        rate_hz: float = 10.0,
        crops: dict[str, Crop] | None = None,
        heads: dict[str, int] | None = None,
    ) -> None:
        """heads: name → number of joints, of what turns a camera."""
        self.folder = Path(folder)
        (self.folder / "episodes").mkdir(parents=True, exist_ok=True)
        header = {
            "schema": SCHEMA,
            "rate_hz": rate_hz,
            "cameras": list(cameras),
            "image_size": image_size,
            "groups": [asdict(g) for g in groups],
            "subtasks": list(subtasks),
            "crops": {k: asdict(v) for k, v in (crops or {}).items()},
        }
        if heads:
            header["heads"] = [{"name": name, "joints": joints} for name, joints in heads.items()]
        path = self.folder / STORE_FILE
        with (self.folder / ".lock").open("w", encoding="utf-8") as lock:  # two that begin at once agree on one header
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists() and json.loads(path.read_text(encoding="utf-8")) != header:
                raise ValueError(
                    f"{path} describes another store: {path.read_text(encoding='utf-8')}; allowed: the same header {json.dumps(header)}"
                )
            _replace(path, json.dumps(header, indent=1).encode())
        self.header, self.groups = header, groups

    def has(self, name: str) -> bool:
        """Whether episode ``name`` is already there (a collector that resumes skips it)."""
        return (self.folder / "episodes" / f"{name}.npz").exists()

    def add(self, name: str, arrays: dict[str, np.ndarray], instruction: str, meta: dict | None = None) -> Path:
        """Write one episode. Raises ValueError naming the array, its shape and what is allowed."""
        shapes = _shapes(self.header)
        missing, unknown = sorted(set(REQUIRED) - set(arrays)), sorted(set(arrays) - set(shapes))
        if missing or unknown:
            raise ValueError(
                f"episode {name!r}: missing array(s) {missing}, unknown {unknown}; allowed: {sorted(shapes)}"
            )
        length, ready = len(arrays["images"]), {}
        for key, value in arrays.items():
            value = np.asarray(value)
            want = (length, *shapes[key])
            if value.ndim != len(want) or any(w is not None and w != g for g, w in zip(value.shape, want, strict=True)):
                raise ValueError(f"episode {name!r}: {key} has shape {value.shape}; allowed: {want} (None: any)")
            ready[key] = value.astype(_TYPES.get(key, np.float32), copy=False)
            if (
                key not in ("target", "tip", "extrinsics")
                and ready[key].dtype == np.float32
                and not np.isfinite(ready[key]).all()
            ):
                raise ValueError(f"episode {name!r}: {key} holds NaN or infinity; allowed: finite numbers")
        highest = len(self.header["subtasks"]) - 1
        if (
            "driver" in ready
            and ready["driver"].size
            and not COMMANDER <= ready["driver"].min() <= ready["driver"].max() <= NOBODY
        ):
            raise ValueError(
                f"episode {name!r}: driver holds {sorted(set(ready['driver'].tolist()))}; allowed: 0, 1 and 2"
            )
        if ready["subtask"].size and not -1 <= ready["subtask"].min() <= ready["subtask"].max() <= highest:
            raise ValueError(f"episode {name!r}: subtask reaches {ready['subtask'].max()}; allowed: -1 to {highest}")
        path = self.folder / "episodes" / f"{name}.npz"
        partial = path.with_suffix(f".{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, **ready, instruction=np.array(instruction), meta=np.array(json.dumps(meta or {})))
        partial.replace(path)
        return path


class FrameStore:
    """Read access: ``arrays[name]`` memory-mapped over all frames, ``episode`` (N,), ``starts``, ``instructions``,
    ``meta``.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / STORE_FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing; allowed: a FrameStore folder (see vipa_model.data.frame_store)"
            )
        self.header = json.loads(path.read_text(encoding="utf-8"))
        if self.header.get("schema") != SCHEMA:
            raise ValueError(f"{path} has schema {self.header.get('schema')!r}; allowed: {SCHEMA!r}")
        self.cameras, self.rate_hz, self.subtasks = (
            self.header["cameras"],
            self.header["rate_hz"],
            self.header["subtasks"],
        )
        self.groups = [build(GroupConfig, g, f"{path}: groups") for g in self.header["groups"]]
        self.crops = {k: build(Crop, v, f"{path}: crops.{k}") for k, v in self.header["crops"].items()}
        files = sorted((self.folder / "episodes").glob("*.npz"))
        if not files:
            raise ValueError(f"{self.folder / 'episodes'} holds no .npz episode; allowed: at least one")
        packed, index = self._pack(files)
        self.names, self.instructions, self.meta = index["names"], index["instructions"], index["meta"]
        self.starts = np.array(index["starts"])
        self.arrays = {k: np.load(packed / f"{k}.npy", mmap_mode="r", allow_pickle=False) for k in index["arrays"]}
        self.episode = np.repeat(np.arange(len(files)), np.diff(self.starts))

    def __len__(self) -> int:
        return int(self.starts[-1])

    def _pack(self, files: list[Path]) -> tuple[Path, dict]:
        """The folder of packed arrays for just these files, and its index; made when absent.

        Other processes may read an older packing meanwhile: a new one is a new folder, and old ones are unlinked, which
        leaves what they mapped in place.
        """
        stamp = [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files]
        digest = hashlib.sha256(json.dumps(stamp).encode()).hexdigest()[:12]
        packed = self.folder / "packed" / digest
        packed.parent.mkdir(exist_ok=True)
        with (self.folder / "packed" / ".lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not packed.is_dir():
                partial = packed.with_name(f".{digest}.partial")
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                self._write_packed(files, partial)
                partial.rename(packed)
                for old in packed.parent.iterdir():
                    if old.is_dir() and old != packed:
                        shutil.rmtree(old, ignore_errors=True)
            return packed, json.loads((packed / "index.json").read_text(encoding="utf-8"))

    def _write_packed(self, files: list[Path], packed: Path) -> None:
        """Copy the episodes end to end into one array file each, with an index."""
        lengths, instructions, meta, labelled, given = [], [], [], [], set()
        for file in files:
            with np.load(file, allow_pickle=False) as data:
                lengths.append(len(data["stamps"]))
                instructions.append(str(data["instruction"]))
                meta.append(json.loads(str(data["meta"])))
                labelled.append(data["label_pose"].shape[1] if "label_pose" in data else 0)
                given.update(k for k in OPTIONAL if k in data)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        label_steps = max(labelled)
        names = [*REQUIRED, *(k for k in OPTIONAL if k in given)]
        shapes = {k: [label_steps if n is None else n for n in v] for k, v in _shapes(self.header).items()}
        for key in names:
            shape = (int(starts[-1]), *shapes[key])
            array = np.lib.format.open_memmap(packed / f"{key}.npy", "w+", _TYPES.get(key, np.float32), shape)
            for file, begin, end in zip(files, starts[:-1], starts[1:], strict=True):
                with np.load(file, allow_pickle=False) as data:
                    value = data[key] if key in data else _UNKNOWN.get(key, np.float32(np.nan))
                if key in LABELS and value.ndim and value.shape[1] < label_steps:
                    value = np.concatenate([value, np.repeat(value[:, -1:], label_steps - value.shape[1], 1)], 1)
                array[begin:end] = value
            array.flush()
        index = {"names": [f.stem for f in files], "starts": starts.tolist(), "arrays": names}
        (packed / "index.json").write_text(
            json.dumps(index | {"instructions": instructions, "meta": meta}), encoding="utf-8"
        )


def _shapes(header: dict) -> dict[str, tuple]:
    """Shape of each array after its frame axis; None where any length is allowed."""
    views, size, groups = len(header["cameras"]), header["image_size"], header["groups"]
    head = sum(h["joints"] for h in header.get("heads", []))
    pose, hand, joints = 7 * len(groups), sum(g["hand"] for g in groups), sum(g["joints"] for g in groups)
    return {
        "images": (views, size, size, 3),
        "depth": (views, size, size),
        "intrinsics": (views, 3, 3),
        "extrinsics": (views, 4, 4),
        "tool_pose": (pose,),
        "tool_velocity": (3 * len(groups),),
        "commanded_tool_pose": (pose,),
        "hand": (hand,),
        "commanded_hand": (hand,),
        "positions": (joints,),
        "subtask": (),
        "target": (3,),
        "tip": (3,),
        "driver": (),
        "stamps": (),
        "label_pose": (None, pose),
        "label_hand": (None, hand),
        "head": (head,),
        "commanded_head": (head,),
        "label_head": (None, head),
    }


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_bytes(content)
    partial.replace(path)
