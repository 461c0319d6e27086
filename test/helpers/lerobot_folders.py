"""Small LeRobot datasets in the layouts that others publish, written here after their sources.

v2.1: lerobot's v2.1 (an episode a file, meta/*.jsonl, pictures as video or as PNG in the tables). v3.0: lerobot's v3.0 (episodes share
files). Features of LIBERO and DROID: openpi's examples/libero/convert_libero_data_to_lerobot.py and
examples/droid/convert_droid_data_to_lerobot.py, lerobot's examples/port_datasets/port_droid.py.
"""

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

INDEX = ("timestamp", "frame_index", "episode_index", "index", "task_index")
FEATURES = {
    "libero_openpi": {
        "image": ("image", [64, 48, 3]),
        "wrist_image": ("image", [64, 48, 3]),
        "state": ("float32", [8]),
        "actions": ("float32", [7]),
    },
    "libero": {
        "observation.images.image": ("video", [64, 48, 3]),
        "observation.images.wrist_image": ("video", [64, 48, 3]),
        "observation.state": ("float32", [8]),
        "action": ("float32", [7]),
    },
    "droid": {
        "is_first": ("bool", [1]),
        "language_instruction": ("string", [1]),
        "language_instruction_2": ("string", [1]),
        "language_instruction_3": ("string", [1]),
        "observation.state.gripper_position": ("float32", [1]),
        "observation.state.cartesian_position": ("float32", [6]),
        "observation.state.joint_position": ("float32", [7]),
        "observation.state": ("float32", [8]),
        "observation.images.wrist_left": ("video", [36, 64, 3]),
        "observation.images.exterior_1_left": ("video", [36, 64, 3]),
        "observation.images.exterior_2_left": ("video", [36, 64, 3]),
        "action.gripper_position": ("float32", [1]),
        "action.cartesian_position": ("float32", [6]),
        "action.joint_position": ("float32", [7]),
        "action": ("float32", [8]),
        "building": ("string", [1]),
        "camera_extrinsics.wrist_left": ("float32", [6]),
        "is_episode_successful": ("bool", [1]),
    },
    "droid_openpi": {
        "exterior_image_1_left": ("image", [36, 64, 3]),
        "exterior_image_2_left": ("image", [36, 64, 3]),
        "wrist_image_left": ("image", [36, 64, 3]),
        "joint_position": ("float32", [7]),
        "gripper_position": ("float32", [1]),
        "actions": ("float32", [8]),
    },
}


def picture(height: int, width: int, k: int, turned: bool = False) -> np.ndarray:
    """(H, W, 3) uint8 RGB: a square in the upper left that grows with the frame, red at the top."""
    image = np.full((height, width, 3), 60, np.uint8)
    image[: height // 4] = (200, 40, 40)
    image[height // 2 : height // 2 + 4 + k % 8, 4 : 12 + k % 8] = 230
    return np.ascontiguousarray(image[::-1, ::-1]) if turned else image


def write_lerobot(
    root: Path, name: str, version: str, episodes: list[dict], fps: int = 10, codec: str = "libx264"
) -> Path:
    """Writes the dataset. episodes: of each `columns` (arrays (T, n), or texts for all frames) and `task`; pictures are `picture`."""
    features = {n: {"dtype": d, "shape": s, "names": None} for n, (d, s) in FEATURES[name].items()}
    features |= {n: {"dtype": "float32" if n == "timestamp" else "int64", "shape": [1], "names": None} for n in INDEX}
    tasks = list(dict.fromkeys(e["task"] for e in episodes))
    info = {
        "codebase_version": version,
        "robot_type": "panda",
        "total_episodes": len(episodes),
        "chunks_size": 1000,
        "fps": fps,
        "splits": {"train": f"0:{len(episodes)}"},
        "features": features,
    }
    writer = _v3 if version == "v3.0" else _v2
    info |= writer(root, episodes, features, tasks, fps, codec)
    (root / "meta/info.json").write_text(json.dumps(info), encoding="utf-8")
    return root


def length(episode: dict) -> int:
    return max(len(v) for v in episode["columns"].values() if not isinstance(v, str))


def _table(number: int, first: int, episode: dict, features: dict, tasks: list[str], fps: int) -> pa.Table:
    count = length(episode)
    columns = {}
    for name, feature in features.items():
        kind, shape = feature["dtype"], feature["shape"]
        if kind == "image":
            values = [{"bytes": _png(picture(*shape[:2], k)), "path": f"frame_{k:06d}.png"} for k in range(count)]
            columns[name] = pa.array(values, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
        elif kind == "string":
            columns[name] = pa.array([episode["columns"].get(name, "")] * count)
        elif kind != "video" and name not in INDEX:
            given = np.asarray(episode["columns"].get(name, np.zeros((count, *shape))))
            flat = given.reshape(count, -1)
            typed = flat.astype(bool if kind == "bool" else np.float32)
            columns[name] = pa.array(typed[:, 0]) if shape == [1] else pa.array(typed.tolist(), pa.list_(pa.float32()))
    frames = np.arange(count)
    columns |= {
        "timestamp": pa.array((frames / fps).astype(np.float32)),
        "frame_index": pa.array(frames),
        "episode_index": pa.array(np.full(count, number)),
        "index": pa.array(first + frames),
        "task_index": pa.array(np.full(count, tasks.index(episode["task"]))),
    }
    return pa.table(columns)


def _v2(root, episodes, features, tasks, fps, codec) -> dict:
    (root / "data/chunk-000").mkdir(parents=True)
    (root / "meta").mkdir()
    lines, first = [], 0
    for number, episode in enumerate(episodes):
        table = _table(number, first, episode, features, tasks, fps)
        pq.write_table(table, root / f"data/chunk-000/episode_{number:06d}.parquet")
        first += len(table)
        lines.append({"episode_index": number, "tasks": [episode["task"]], "length": len(table)})
        for name, feature in features.items():
            if feature["dtype"] == "video":
                path = root / f"videos/chunk-000/{name}/episode_{number:06d}.mp4"
                _video(path, [picture(*feature["shape"][:2], k) for k in range(len(table))], fps, codec)
    _write_lines(root / "meta/episodes.jsonl", lines)
    _write_lines(root / "meta/tasks.jsonl", [{"task_index": k, "task": t} for k, t in enumerate(tasks)])
    return {
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }


def _v3(root, episodes, features, tasks, fps, codec) -> dict:
    for folder in ("data/chunk-000", "meta/episodes/chunk-000"):
        (root / folder).mkdir(parents=True)
    parts, rows, first = [], [], 0
    for number, episode in enumerate(episodes):
        table = _table(number, first, episode, features, tasks, fps)
        row = {
            "episode_index": number,
            "tasks": [episode["task"]],
            "length": len(table),
            "data/chunk_index": 0,
            "data/file_index": 0,
        }
        row |= {"dataset_from_index": first, "dataset_to_index": first + len(table)}
        for name, feature in features.items():
            if feature["dtype"] == "video":
                ends = {"from_timestamp": first / fps, "to_timestamp": (first + len(table)) / fps}
                row |= {f"videos/{name}/{k}": v for k, v in ({"chunk_index": 0, "file_index": 0} | ends).items()}
        first += len(table)
        parts.append(table)
        rows.append(row)
    pq.write_table(pa.concat_tables(parts), root / "data/chunk-000/file-000.parquet")
    pq.write_table(pa.Table.from_pylist(rows), root / "meta/episodes/chunk-000/file-000.parquet")
    pq.write_table(pa.table({"task": tasks, "task_index": range(len(tasks))}), root / "meta/tasks.parquet")
    for name, feature in features.items():
        if feature["dtype"] == "video":
            images = [picture(*feature["shape"][:2], k) for part in parts for k in range(len(part))]
            _video(root / f"videos/{name}/chunk-000/file-000.mp4", images, fps, codec)
    return {
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    }


def _video(path: Path, images: list[np.ndarray], fps: int, codec: str) -> None:
    """As LeRobot encodes: a key frame every second frame, and whatever else its encoder likes (B-frames among it)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=fps)
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], "yuv420p"
        stream.options = {"g": "2", "crf": "20"}
        for image in images:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def _write_lines(path: Path, lines: list[dict]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
