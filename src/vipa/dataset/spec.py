"""What a dataset holds: cameras, features with names for every element, groups. Stands in meta/info.json."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vipa.dataset.features import IMAGES, LANGUAGE, depth_feature, is_depth_map, video_feature
from vipa.errors import VipaError
from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics, pose_of

SCHEMA = "vipa/dataset/2"
OLD_SCHEMA = "vipa/dataset/1"  # read, and not added to
CODEBASE = "v3.0"
CHUNK_FILES = 1000
NUMBERS = ("float32", "float64", "int64", "int32", "bool")  # kinds of columns that are read
DATA_FILE_MB = 100
VIDEO_FILE_MB = 200
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
DEPTH_PATH = "depth/{camera}/chunk-{chunk_index:03d}/episode-{episode_index:06d}.mkv"

DEPTH = "observation.depth."  # of a frame, before it is written
CAMERA_POSE = "camera_pose."
LEROBOT = ("0.6", "0.4")  # what a dataset may be written for
ACTIONS = ("commanded", "executed")
POSE = ("x", "y", "z", "qx", "qy", "qz", "qw")
VELOCITY = ("vx", "vy", "vz")
WRENCH = ("fx", "fy", "fz", "tx", "ty", "tz")


@dataclass(frozen=True)
class Feature:
    """A vector column. shape: (n,). names: a name an element."""

    dtype: str
    names: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class CameraSpec:
    """A camera's pictures: height and width in pixels (even numbers), and whether depth comes with them."""

    name: str
    height: int
    width: int
    depth: bool = True

    def __post_init__(self):
        if self.height % 2 or self.width % 2 or min(self.height, self.width) < 2:
            raise VipaError(
                f"camera {self.name}: {self.width}x{self.height}; allowed: even sides, for video keeps colour by 2x2 pixels"
            )


# LeRobot's own columns, made by the writer.
INDEX_FEATURES = {
    "timestamp": Feature("float32", ("timestamp",)),
    "frame_index": Feature("int64", ("frame_index",)),
    "episode_index": Feature("int64", ("episode_index",)),
    "index": Feature("int64", ("index",)),
    "task_index": Feature("int64", ("task_index",)),
}


@dataclass(frozen=True)
class DatasetSpec:
    """fps: frames a second. features: the columns that frames bring, by name. groups: what info.json says of the groups.
    velocities: the most of each joint of observation.state, rad/s, by its name there; what is not known is not judged.
    action: what the column `action` holds, of ACTIONS. lerobot: the oldest LeRobot that reads it, of LEROBOT: 0.4 knows neither
    language columns nor depth maps. schema: of the section vipa, "" where another tool has written the dataset."""

    robot_type: str
    fps: int
    cameras: tuple[CameraSpec, ...]
    features: dict[str, Feature]
    groups: list[dict[str, Any]] = field(default_factory=list)
    velocities: dict[str, float] = field(default_factory=dict, compare=False)
    action: str = "commanded"
    lerobot: str = "0.6"
    schema: str = SCHEMA

    def __post_init__(self):
        if self.fps < 1:
            raise VipaError(f"fps {self.fps}; allowed: at least 1")
        if self.action not in ACTIONS or self.lerobot not in LEROBOT:
            raise VipaError(
                f"action {self.action}, LeRobot {self.lerobot}; allowed: {' or '.join(ACTIONS)}, {' or '.join(LEROBOT)}"
            )
        bad = [n for n in self.features if "/" in n or n in INDEX_FEATURES or n.startswith((IMAGES, DEPTH))]
        if bad:
            raise VipaError(
                f"feature names {', '.join(bad)}: no '/', no camera and none of {', '.join(INDEX_FEATURES)}"
            )

    @property
    def language(self) -> bool:
        """Whether instruction and sub-tasks stand in LeRobot's language columns."""
        return self.lerobot != "0.4" and self.schema == SCHEMA

    @property
    def depth_videos(self) -> list[str]:
        """Cameras whose depth is a video for LeRobot, beside the one without loss."""
        return [c.name for c in self.cameras if c.depth] if self.language else []

    @property
    def videos(self) -> list[str]:
        """Features that are video files of LeRobot's layout."""
        depth = [depth_feature(name) for name in self.depth_videos]
        return [*(IMAGES + c.name for c in self.cameras), *depth]

    def info(self) -> dict[str, Any]:
        """meta/info.json of a dataset without episodes."""
        features: dict[str, Any] = {}
        for camera in self.cameras:
            features[IMAGES + camera.name] = video_feature(camera, self.fps)
            if camera.name in self.depth_videos:
                features[depth_feature(camera.name)] = video_feature(camera, self.fps, depth=True)
        for name, feature in (self.features | INDEX_FEATURES).items():
            names = None if name in INDEX_FEATURES else list(feature.names)
            features[name] = {"dtype": feature.dtype, "shape": [feature.size], "names": names}
        if self.language:
            features |= {name: {"dtype": "language", "shape": [1], "names": None} for name in LANGUAGE}
        return {
            "codebase_version": CODEBASE,
            "robot_type": self.robot_type,
            "total_episodes": 0,
            "total_frames": 0,
            "total_tasks": 0,
            "chunks_size": CHUNK_FILES,
            "data_files_size_in_mb": DATA_FILE_MB,
            "video_files_size_in_mb": VIDEO_FILE_MB,
            "fps": self.fps,
            "splits": {},
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH,
            "features": features,
            "vipa": {
                "schema": SCHEMA,
                "action": self.action,
                "lerobot": self.lerobot,
                "depth_path": DEPTH_PATH,
                "depth": [c.name for c in self.cameras if c.depth],
                "groups": self.groups,
                "max_velocity": self.velocities,
            },
        }


def has_section(info: dict[str, Any]) -> bool:
    """Whether an info.json has our section; LeRobot's own tools leave it out."""
    return "vipa" in info


def spec_of(info: Any, where: str) -> DatasetSpec:
    """The spec in an info.json. Without our section (LeRobot's own tools drop it) there is no depth, and groups are not known.

    Raises VipaError if it is no dataset of this version, naming the key that is missing or no usable value.
    """
    if not isinstance(info, dict) or info.get("codebase_version") != CODEBASE:
        found = info.get("codebase_version") if isinstance(info, dict) else type(info).__name__
        raise VipaError(f"{where}: codebase_version {found}; allowed: {CODEBASE}")
    section = info.get("vipa", {})
    if has_section(info) and (not isinstance(section, dict) or section.get("schema") not in (SCHEMA, OLD_SCHEMA)):
        raise VipaError(f"{where}: section vipa: {str(section)[:80]}; allowed: schema {SCHEMA} or {OLD_SCHEMA}")
    fps = _value(info, "fps", (int, float), where)
    if not math.isfinite(fps) or fps != int(fps) or not 1 <= fps <= 1000:
        raise VipaError(f"{where}: fps {fps}; allowed: 1 to 1000, whole")
    depth, groups = section.get("depth", []), section.get("groups", [])
    velocities = section.get("max_velocity", {})
    if not isinstance(depth, list) or not isinstance(groups, list) or not isinstance(velocities, dict):
        raise VipaError(
            f"{where}: section vipa: depth, groups or max_velocity is no list of cameras, of groups, or mapping"
        )
    cameras, features = [], {}
    for name, entry in _value(info, "features", dict, where).items():
        shape = entry.get("shape") if isinstance(entry, dict) else None
        whole = isinstance(shape, (list, tuple)) and all(type(n) is int and 1 <= n <= 100_000 for n in shape)
        if not whole or not isinstance(entry.get("dtype"), str):
            raise VipaError(f"{where}: feature {name}: {str(entry)[:80]}; allowed: dtype, shape and names")
        if entry["dtype"] in ("video", "image"):
            if name.startswith(IMAGES) and len(shape) == 3 and not is_depth_map(entry):
                camera = name.removeprefix(IMAGES)
                cameras.append(CameraSpec(camera, *shape[:2], depth=camera in depth))
        elif name not in INDEX_FEATURES and entry["dtype"] in NUMBERS:
            features[name] = Feature(entry["dtype"], _names(entry.get("names"), math.prod(shape), name, where))
    robot = str(info.get("robot_type") or "unknown")
    kept = {"action": section.get("action", "commanded"), "lerobot": section.get("lerobot", "0.6")}
    return DatasetSpec(
        robot, int(fps), tuple(cameras), features, groups, velocities, schema=section.get("schema", ""), **kept
    )


def _value(info: dict[str, Any], key: str, kind, where: str) -> Any:
    value = info.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise VipaError(f"{where}: {key} is {str(value)[:60]}; allowed: what a LeRobotDataset {CODEBASE} has there")
    return value


def _names(names: Any, size: int, feature: str, where: str) -> tuple[str, ...]:
    """A name an element: LeRobot has lists, mappings of lists, or nothing."""
    if isinstance(names, dict):
        names = [n for part in names.values() for n in (part if isinstance(part, list) else [part])]
    if not names or (len(names) != size and not isinstance(names, list)):
        names = [f"{feature}.{i}" for i in range(size)]
    if len(names) != size:
        raise VipaError(f"{where}: feature {feature} has {size} elements and {len(names)} names; allowed: one each")
    return tuple(map(str, names))


def robot_spec(
    robot: Robot,
    cameras: Sequence[CameraSpec],
    fps: int = 10,
    carried: Collection[str] = (),
    wrenches: Collection[str] | None = None,
    action: str = "commanded",
    lerobot: str = "0.6",
) -> DatasetSpec:
    """The features that docs/dataset.md describes, for `robot` and `cameras`. carried: cameras that move with the robot. wrenches:
    arms whose wrench is measured; None: all."""
    kinematics = Kinematics(robot)
    state, ordered, poses, velocities, forces, groups = [], [], [], [], [], []
    for group in robot.groups:
        hand = group.hand.joints if group.hand else []
        state += [f"{group.name}.{j}" for j in (*group.joints, *hand)]
        if group.kind == "arm":
            ordered += [f"{group.name}.{n}" for n in (*POSE, *hand)]
            poses += [f"{group.name}.{n}" for n in POSE]
            velocities += [f"{group.name}.{n}" for n in VELOCITY]
            if wrenches is None or group.name in wrenches:
                forces += [f"{group.name}.{n}" for n in WRENCH]
        else:
            ordered += [f"{group.name}.{j}" for j in group.joints]
        groups.append(
            {
                "name": group.name,
                "kind": group.kind,
                "base_frame": group.base_frame,
                "tool_frame": group.tool_frame,
                "joints": list(group.joints),
                "hand_joints": list(hand),
                "base_in_world": [round(float(v), 9) for v in pose_of(kinematics.group(group.name).base)],
            }
        )
    features = {
        "observation.state": Feature("float32", tuple(state)),
        "observation.tool_pose": Feature("float32", tuple(poses)),
        "observation.tool_velocity": Feature("float32", tuple(velocities)),
        "observation.commanded_tool_pose": Feature("float32", tuple(poses)),
    }
    if forces:
        features["observation.wrench"] = Feature("float32", tuple(forces))
    features |= {f"{CAMERA_POSE}{c.name}": Feature("float32", POSE) for c in cameras if c.name in carried}
    features |= {
        "stamp_ns": Feature("int64", ("joint_states", *(c.name for c in cameras))),
        "action": Feature("float32", tuple(ordered)),
        "executed" if action == "commanded" else "commanded": Feature("float32", tuple(ordered)),
        "intervention": Feature("bool", ("intervention",)),
        "subtask_index": Feature("int64", ("subtask_index",)),
        "target": Feature("float32", ("x", "y", "z", "known")),
        "tip": Feature("float32", ("x", "y", "z", "known")),
    }
    return DatasetSpec(robot.name, fps, tuple(cameras), features, groups, max_velocities(robot), action, lerobot)


def max_velocities(robot: Robot) -> dict[str, float]:
    """The most that each joint of `robot` may do, rad/s, by its name in observation.state."""
    return {f"{g.name}.{j}": float(v) for g in robot.groups for j, v in zip(g.joints, g.max_velocity, strict=True)}


def check_frame(frame: dict[str, np.ndarray], spec: DatasetSpec) -> None:
    """Raises VipaError unless `frame` has exactly the spec's features, pictures and depths, with their shapes and dtypes.

    Vectors may be of any number type; pictures are (H, W, 3) uint8, depths (H, W) uint16.
    """
    wanted: dict[str, tuple] = {n: ((f.size,), None) for n, f in spec.features.items()}
    for camera in spec.cameras:
        wanted[IMAGES + camera.name] = (camera.height, camera.width, 3), np.uint8
        if camera.depth:
            wanted[DEPTH + camera.name] = (camera.height, camera.width), np.uint16
    missing, extra = wanted.keys() - frame.keys(), frame.keys() - wanted.keys()
    if missing or extra:
        raise VipaError(
            f"frame: {'missing ' + ', '.join(sorted(missing)) if missing else ''}{'; ' if missing and extra else ''}"
            f"{'unknown ' + ', '.join(sorted(extra)) if extra else ''}; allowed: {', '.join(wanted)}"
        )
    for name, (shape, dtype) in wanted.items():
        value = np.asarray(frame[name])
        if value.shape != shape or (dtype is not None and value.dtype != dtype):
            raise VipaError(
                f"frame: {name} is {value.dtype} {value.shape}; allowed: {np.dtype(dtype) if dtype else 'numbers'} {shape}"
            )
