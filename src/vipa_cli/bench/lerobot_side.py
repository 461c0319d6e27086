"""LeRobot's part of `vipa bench data`. Run by the Python of an environment with LeRobot 0.6.1; imports nothing of ours.

python lerobot_side.py write FRAMES.npz OUT plain|streaming        writes the frames as a dataset
python lerobot_side.py read DATASET COUNT                          reads frames at random through its loader

Prints one JSON object.
"""

import json
import resource
import sys
import time

import numpy as np


def write(frames: str, out: str, how: str) -> dict:
    """Writes all frames as one episode, encoded as LeRobot does by default."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    arrays = np.load(frames)
    fps, features = int(arrays["fps"]), {}
    for name in arrays.files:
        if name == "fps":
            continue
        shape = arrays[name].shape[1:]
        if len(shape) == 1:
            features[name] = {"dtype": "float32", "shape": shape, "names": [f"{name}.{k}" for k in range(shape[0])]}
            continue
        entry = {
            "dtype": "video",
            "shape": (*shape[:2], shape[2] if len(shape) == 3 else 1),
            "names": ["height", "width", "channels"],
        }
        features[name] = entry | ({"info": {"is_depth_map": True}} if len(shape) == 2 else {})
    count = len(arrays[next(iter(features))])
    loaded = {name: arrays[name] for name in features}
    began, used = time.perf_counter(), cpu()
    dataset = LeRobotDataset.create("local/bench", fps, features, root=out, streaming_encoding=how == "streaming")
    for k in range(count):
        frame = {n: v[k][..., None] if v[k].ndim == 2 else v[k] for n, v in loaded.items()}
        dataset.add_frame(frame | {"task": "bench"})
    dataset.save_episode()
    dataset.finalize()
    return {"frames": count, "wall_s": time.perf_counter() - began, "processor_s": cpu() - used}


def read(root: str, count: str) -> dict:
    """Reads frames at random, every camera, by LeRobot's own dataset."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset("local/bench", root=root, video_backend="pyav")
    chosen = np.random.default_rng(0).integers(0, len(dataset), int(count))
    dataset[int(chosen[0])]
    began, used = time.perf_counter(), cpu()
    for k in chosen:
        dataset[int(k)]
    return {"frames": len(chosen), "wall_s": time.perf_counter() - began, "processor_s": cpu() - used}


def cpu() -> float:
    """Processor seconds of this process and its children."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


if __name__ == "__main__":
    found = write(*sys.argv[2:5]) if sys.argv[1] == "write" else read(*sys.argv[2:4])
    found["peak_MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("RESULT", json.dumps(found), flush=True)
