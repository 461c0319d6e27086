"""A small dataset whose every value tells which frame and episode it is of."""

import numpy as np

from vipa.dataset.spec import CameraSpec, DatasetSpec, Feature
from vipa.dataset.writer import DatasetWriter

FPS = 10
SPEC = DatasetSpec(
    "two_joints",
    FPS,
    (CameraSpec("scene", 24, 32), CameraSpec("wrist", 16, 16, depth=False)),
    {
        "observation.state": Feature("float32", ("a", "b")),
        "stamp_ns": Feature("int64", ("joint_states", "scene", "wrist")),
        "action": Feature("float32", ("a", "b")),
        "subtask_index": Feature("int64", ("subtask_index",)),
        "target": Feature("float32", ("x", "y", "z")),
    },
)


def frame(k: int, seed: int = 0, subtask: int = 0) -> dict[str, np.ndarray]:
    """Frame k of an episode: every value tells which frame it is of."""
    v, u = np.mgrid[0:24, 0:32]
    color = np.stack([u * 4 + k, v * 8, np.full_like(u, 10 * seed)], -1).astype(np.uint8)
    return {
        "observation.images.scene": color,
        "observation.depth.scene": (1000 * seed + 10 * k + u + v).astype(np.uint16),
        "observation.images.wrist": np.full((16, 16, 3), 8 * k % 256, np.uint8),
        "observation.state": np.array([k, seed], np.float64),
        "stamp_ns": np.full(3, k * 10**8 - 1000),
        "action": np.array([k + 1, seed]),
        "subtask_index": np.array([subtask]),
        "target": np.full(3, 0.0 if subtask else float(seed)),
    }


def write(root, seeds, frames=12):
    writer = DatasetWriter(root, SPEC)
    for seed in seeds:
        for k in range(frames):
            writer.add_frame(frame(k, seed, subtask=int(k >= frames // 2)), f"seed-{seed:04d}")
        meta = {"seed": seed, "start_ns": 0}
        writer.save_episode("reach" if seed % 2 else "grasp", ["approach", f"end {seed % 2}"], meta)
    return writer
