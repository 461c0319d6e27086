"""Entries of `features` in meta/info.json, as LeRobot 0.6.1 writes them (lerobot/configs/video.py, datasets/language.py)."""

from typing import Any

IMAGES = "observation.images."
LANGUAGE = ("language_persistent", "language_events")

# DepthEncoderConfig's defaults: 12 bits, closer together where it is near
DEPTH_CODES = 4095
DEPTH_RANGE_M = (0.01, 10.0)  # metres
DEPTH_SHIFT_M = 3.5  # metres


def depth_feature(camera: str) -> str:
    """The feature that LeRobot reads the depth of `camera` from, as its robots name it."""
    return f"{IMAGES}{camera}_depth"


def is_depth_map(entry: dict[str, Any]) -> bool:
    """Whether an entry of `features` is a depth map. Older LeRobots say so under another key."""
    info = entry.get("info") or entry.get("video_info") or {}
    return isinstance(info, dict) and bool(info.get("is_depth_map") or info.get("video.is_depth_map"))


def video_feature(camera, fps: int, depth: bool = False) -> dict[str, Any]:
    """The entry of a video. camera: a CameraSpec. depth: of its depth map."""
    info = {
        "video.height": camera.height,
        "video.width": camera.width,
        "video.codec": "hevc" if depth else "h264",
        "video.pix_fmt": "gray12le" if depth else "yuv420p",
        "video.fps": fps,
        "video.channels": 1 if depth else 3,
        "has_audio": False,
        "is_depth_map": depth,
    }
    if depth:
        info |= {
            "video.depth_min": DEPTH_RANGE_M[0],
            "video.depth_max": DEPTH_RANGE_M[1],
            "video.shift": DEPTH_SHIFT_M,
            "video.use_log": True,
            "depth_unit": "mm",
        }
    return {
        "dtype": "video",
        "shape": [camera.height, camera.width, 1 if depth else 3],
        "names": ["height", "width", "channels"],
        "info": info,
    }
