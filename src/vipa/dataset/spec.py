"""What a dataset holds: cameras, features with names for every element, groups. Stands in meta/info.json."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vipa.errors import VipaError
from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics, pose_of

SCHEMA = "vipa/dataset/1"
CODEBASE = "v3.0"
CHUNK_FILES = 1000
NUMBERS = ("float32", "float64", "int64", "int32", "bool")  # kinds of columns that are read
DATA_FILE_MB = 100
VIDEO_FILE_MB = 200
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
DEPTH_PATH = "depth/{camera}/chunk-{chunk_index:03d}/episode-{episode_index:06d}.mkv"

IMAGES = "observation.images."
DEPTH = "observation.depth."
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
    velocities: the most of each joint of observation.state, rad/s, by its name there; what is not known is not judged."""

    robot_type: str
    fps: int
    cameras: tuple[CameraSpec, ...]
    features: dict[str, Feature]
    groups: list[dict[str, Any]] = field(default_factory=list)
    velocities: dict[str, float] = field(default_factory=dict, compare=False)

    def __post_init__(self):
        if self.fps < 1:
            raise VipaError(f"fps {self.fps}; allowed: at least 1")
        bad = [n for n in self.features if "/" in n or n in INDEX_FEATURES or n.startswith((IMAGES, DEPTH))]
        if bad:
            raise VipaError(
                f"feature names {', '.join(bad)}: no '/', no camera and none of {', '.join(INDEX_FEATURES)}"
            )

    def info(self) -> dict[str, Any]:
        """meta/info.json of a dataset without episodes."""
        features: dict[str, Any] = {}
        for camera in self.cameras:
            features[IMAGES + camera.name] = {
                "dtype": "video",
                "shape": [camera.height, camera.width, 3],
                "names": ["height", "width", "channels"],
                "info": {
                    "video.height": camera.height,
                    "video.width": camera.width,
                    "video.codec": "h264",
                    "video.pix_fmt": "yuv420p",
                    "video.is_depth_map": False,
                    "video.fps": self.fps,
                    "video.channels": 3,
                    "has_audio": False,
                },
            }
        for name, feature in (self.features | INDEX_FEATURES).items():
            names = None if name in INDEX_FEATURES else list(feature.names)
            features[name] = {"dtype": feature.dtype, "shape": [feature.size], "names": names}
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
    if has_section(info) and (not isinstance(section, dict) or section.get("schema") != SCHEMA):
        raise VipaError(f"{where}: section vipa: {str(section)[:80]}; allowed: schema {SCHEMA}")
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
            if name.startswith(IMAGES) and len(shape) == 3:
                camera = name.removeprefix(IMAGES)
                cameras.append(CameraSpec(camera, *shape[:2], depth=camera in depth))
        elif name not in INDEX_FEATURES and entry["dtype"] in NUMBERS:
            features[name] = Feature(entry["dtype"], _names(entry.get("names"), math.prod(shape), name, where))
    robot = str(info.get("robot_type") or "unknown")
    return DatasetSpec(robot, int(fps), tuple(cameras), features, groups, velocities)


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


def robot_spec(robot: Robot, cameras: Sequence[CameraSpec], fps: int = 10) -> DatasetSpec:
    """The features that docs/dataset.md describes, for `robot` and `cameras`."""
    kinematics = Kinematics(robot)
    state, action, poses, velocities, wrenches, groups = [], [], [], [], [], []
    for group in robot.groups:
        hand = group.hand.joints if group.hand else []
        state += [f"{group.name}.{j}" for j in (*group.joints, *hand)]
        if group.kind == "arm":
            action += [f"{group.name}.{n}" for n in (*POSE, *hand)]
            poses += [f"{group.name}.{n}" for n in POSE]
            velocities += [f"{group.name}.{n}" for n in VELOCITY]
            wrenches += [f"{group.name}.{n}" for n in WRENCH]
        else:
            action += [f"{group.name}.{j}" for j in group.joints]
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
        "observation.wrench": Feature("float32", tuple(wrenches)),
    }
    matrix = [f"{r}{c}" for r in range(4) for c in range(4)]
    for camera in cameras:
        features[f"observation.intrinsics.{camera.name}"] = Feature(
            "float32", tuple(f"k{n}" for n in matrix if "3" not in n)
        )
        features[f"observation.extrinsics.{camera.name}"] = Feature("float32", tuple(f"t{n}" for n in matrix))
    features |= {
        "observation.stamp_ns": Feature("int64", ("joint_states", *(c.name for c in cameras))),
        "action": Feature("float32", tuple(action)),
        "subtask_index": Feature("int64", ("subtask_index",)),
        "target": Feature("float32", ("x", "y", "z")),
        "tip": Feature("float32", ("x", "y", "z")),
    }
    return DatasetSpec(robot.name, fps, tuple(cameras), features, groups, max_velocities(robot))


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
