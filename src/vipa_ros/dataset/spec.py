"""What a dataset holds: cameras, features with names for every element, groups. Stands in meta/info.json."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vipa_ros.errors import VipaError
from vipa_ros.robot.description import Robot
from vipa_ros.robot.kinematics import Kinematics, pose_of

SCHEMA = "vipa/dataset/1"
CODEBASE = "v3.0"
CHUNK_FILES = 1000
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


def spec_of(info: dict[str, Any], where: str) -> DatasetSpec:
    """The spec in an info.json. Raises VipaError if it is no dataset of this version."""
    if info.get("codebase_version") != CODEBASE or info.get("vipa", {}).get("schema") != SCHEMA:
        raise VipaError(
            f"{where}: codebase_version {info.get('codebase_version')}, schema {info.get('vipa', {}).get('schema')}; "
            f"allowed: {CODEBASE} with {SCHEMA}"
        )
    cameras, features = [], {}
    for name, entry in info["features"].items():
        if name.startswith(IMAGES):
            camera = name.removeprefix(IMAGES)
            cameras.append(CameraSpec(camera, *entry["shape"][:2], depth=camera in info["vipa"]["depth"]))
        elif name not in INDEX_FEATURES:
            features[name] = Feature(entry["dtype"], tuple(entry["names"]))
    return DatasetSpec(info["robot_type"], info["fps"], tuple(cameras), features, info["vipa"]["groups"])


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
