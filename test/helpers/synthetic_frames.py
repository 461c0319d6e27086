"""A little world for tests: an arm must go to a ball on a table; where the ball is shows in the depth image (and in
colour).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from vipa_model.configuration_vipa import GroupConfig
from vipa_model.data.frame_store import FrameStore, FrameStoreWriter

CAMERAS = ("scene", "wrist")
DOWN = np.array([1.0, 0.0, 0.0, 0.0])


def look_at(eye: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Base from optical (4, 4): z towards ``at``, y down."""
    z = (at - eye) / np.linalg.norm(at - eye)
    x = np.cross(z, [0.0, 0.0, 1.0]) if abs(z[2]) < 0.99 else np.array([0.0, -1.0, 0.0])
    x /= np.linalg.norm(x)
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = np.stack([x, np.cross(z, x), z], 1), eye
    return out


def render(
    extrinsics: np.ndarray, k: np.ndarray, size: int, ball: np.ndarray, radius: float = 0.04
) -> tuple[np.ndarray, np.ndarray]:
    """A table at z = 0 and a ball on it: image (s, s, 3) uint8 and depth (s, s) uint16 mm."""
    u, v = np.meshgrid(np.arange(size), np.arange(size))
    rays = (
        np.stack([(u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1], np.ones_like(u, float)], -1) @ extrinsics[:3, :3].T
    )
    eye = extrinsics[:3, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        table = np.where(rays[..., 2] < 0, -eye[2] / rays[..., 2], np.inf)
    a, b = (rays**2).sum(-1), rays @ (eye - ball)
    root = b**2 - a * ((eye - ball) @ (eye - ball) - radius**2)
    hit = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
    hit = np.where(hit > 0, hit, np.inf)
    depth = np.minimum(table, hit)
    image = np.where((hit < table)[..., None], [200, 60, 50], [120, 130, 140]).astype(np.uint8)
    image[~np.isfinite(depth)] = 40
    return image, np.where(np.isfinite(depth) & (depth < 5), depth * 1000, 0).astype(np.uint16)


def episode(
    rng: np.random.Generator, size: int, length: int = 24, cameras: tuple[str, ...] = CAMERAS
) -> dict[str, np.ndarray]:
    """Reach the ball in a straight line at 0.15 m/s, then close the hand."""
    ball = np.array([rng.uniform(0.35, 0.65), rng.uniform(-0.2, 0.2), 0.04])
    tool, opening, rows = np.array([rng.uniform(0.4, 0.6), rng.uniform(-0.15, 0.15), rng.uniform(0.2, 0.35)]), 1.0, []
    k = np.array([[size * 0.9, 0, size / 2 - 0.5], [0, size * 0.9, size / 2 - 0.5], [0, 0, 1]])
    for step in range(length):
        images, depths, extrinsics = [], [], []
        for camera in cameras:
            eye = (
                tool + [0.0, 0.0, 0.15]
                if camera == "wrist"
                else np.array([1.1, 0.3 if camera == "scene" else -0.3, 0.6])
            )
            at = eye - [0, 0, 1] if camera == "wrist" else np.array([0.5, 0.0, 0.0])
            pose = look_at(eye, at)
            image, depth = render(pose, k, size, ball)
            images.append(image)
            depths.append(depth)
            extrinsics.append(pose)
        rows.append(
            {
                "images": np.stack(images),
                "depth": np.stack(depths),
                "intrinsics": np.stack([k] * len(cameras)),
                "extrinsics": np.stack(extrinsics),
                "tool_pose": np.concatenate([tool + rng.normal(0, 1e-4, 3), DOWN]),
                "tool_velocity": np.zeros(3),
                "commanded_tool_pose": np.concatenate([tool, DOWN]),
                "hand": [opening],
                "commanded_hand": [opening],
                "positions": np.zeros(7),
                "subtask": int(opening < 1),
                "target": ball,
                "stamps": step * 100_000_000,
            }
        )
        away = ball - tool
        distance = np.linalg.norm(away)
        tool = tool + away * min(1.0, 0.015 / max(distance, 1e-9))
        opening = 0.0 if distance < 0.02 else 1.0
    return {key: np.stack([r[key] for r in rows]) for key in rows[0]}


def make_store(
    folder: Path,
    episodes: int,
    size: int,
    length: int = 24,
    cameras: tuple[str, ...] = CAMERAS,
    seed: int = 0,
    instruction: str = "reach the ball",
    subtasks: tuple[str, ...] = ("reach", "grasp"),
    change: Callable[[dict], dict] = lambda arrays: arrays,
) -> FrameStore:
    """A FrameStore of ``episodes`` reaches, each as ``change`` leaves it."""
    writer = FrameStoreWriter(folder, list(cameras), size, [GroupConfig()], list(subtasks))
    rng = np.random.default_rng(seed)
    for i in range(episodes):
        writer.add(f"ep_{i:04d}", change(episode(rng, size, length, cameras)), instruction, {"seed": i})
    return FrameStore(folder)


def observation(store: FrameStore, frame: int) -> dict:
    """Frame ``frame`` of a store as a policy sees it."""
    a = {k: np.array(v[frame]) for k, v in store.arrays.items()}
    per_camera = {
        name: {c: a[key][i] for i, c in enumerate(store.cameras)}
        for name, key in (
            ("images", "images"),
            ("depths", "depth"),
            ("intrinsics", "intrinsics"),
            ("extrinsics", "extrinsics"),
        )
    }
    return per_camera | {
        "instruction": store.instructions[store.episode[frame]],
        "state": {"arm": {k: a[k] for k in ("tool_pose", "tool_velocity", "hand", "positions")}},
    }
