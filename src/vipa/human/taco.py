"""TACO: both hands with a tool and a target, seen by a depth camera on the head.

Layout after github.com/leolyliu/TACO-Instructions, README, dataset_utils/hand_pose_loader.py and project_pose_to_egocentric_view.py:
{Hand_Poses,Object_Poses,Egocentric_Camera_Parameters,Egocentric_RGB_Videos,Egocentric_Depth_Videos}/(ACTION, TOOL, TARGET)/SEQUENCE/….
Hands are MANO's parameters about the wrist, so that hand_trans is the wrist's place in the world, metres; fingers would need MANO's model and are
left out. Sequences without an egocentric video give no clip. Not verified: that depth, which has the colour picture's size, is aligned to it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vipa.errors import VipaError
from vipa.human import pickles
from vipa.human.clip import LEFT, RIGHT, Clip, finite, moved, read_frame

FPS = 30.0
DEPTH_UNITS = 4  # of depth, a millimetre


def clips(root: Path) -> Iterator[Clip]:
    """A clip a sequence. Raises VipaError for a file that is not as published."""
    for folder in sorted(Path(root).glob("Hand_Poses/*/*")):
        place = folder.relative_to(Path(root) / "Hand_Poses")
        video = Path(root) / "Egocentric_RGB_Videos" / place / "color.mp4"
        if folder.is_dir() and video.is_file():
            yield _clip(Path(root), place, video)


def _clip(root: Path, place: Path, video: Path) -> Clip:
    action, tool, target = _triplet(root / "Hand_Poses" / place, place.parts[0])
    parameters = root / "Egocentric_Camera_Parameters" / place
    to_camera = _poses(parameters / "egocentric_frame_extrinsic.npy", None)
    count = len(to_camera)
    hands = {
        name: _wrist(root / "Hand_Poses" / place / f"{side}_hand.pkl", count)
        for name, side in ((LEFT, "left"), (RIGHT, "right"))
    }
    things = {tool: "tool", target: "target"} if tool != target else {f"{tool} in use": "tool", target: "target"}
    depth = root / "Egocentric_Depth_Videos" / place / "egocentric_depth.avi"
    return Clip(
        "-".join([*re.findall(r"\w+", place.parts[0]), place.name]),
        f"{action} the {target} with the {tool}",
        FPS,
        {name: moved(to_camera, wrist)[:, None] for name, wrist in hands.items()},
        {name: moved(to_camera, _thing(root / "Object_Poses" / place, part, count)) for name, part in things.items()},
        np.linalg.inv(to_camera),
        _intrinsics(parameters / "egocentric_intrinsic.txt"),
        lambda k: read_frame(video, k, FPS),
        (lambda k: read_frame(depth, k, FPS, "gray16le") // DEPTH_UNITS) if depth.is_file() else None,
    )


def _triplet(folder: Path, name: str) -> tuple[str, str, str]:
    words = [word.strip() for word in name.strip("()").split(",")]
    if len(words) != 3 or not all(words):
        raise VipaError(f"{folder}: {name!r}; allowed: (action, tool, target)")
    return words[0], words[1], words[2]


def _wrist(path: Path, count: int) -> np.ndarray:
    """(count, 3) in the world."""
    data: Any = pickles.load(path)
    try:
        places = [np.reshape(data[key]["hand_trans"], 3) for key in sorted(data)]
    except (KeyError, TypeError, ValueError) as error:
        raise VipaError(f"{path}: {error!r}; allowed: hand_trans of three numbers a frame") from None
    return finite(places, (count, 3), str(path))


def _thing(folder: Path, part: str, count: int) -> np.ndarray:
    """(count, 3) in the world."""
    found = sorted(folder.glob(f"{part}_*.npy"))
    if len(found) != 1:
        raise VipaError(f"{folder}: {len(found)} files {part}_*.npy; allowed: one")
    return _poses(found[0], count)[:, :3, 3]


def _poses(path: Path, count: int | None) -> np.ndarray:
    return finite(pickles.load_npy(path), (count, 4, 4), str(path))


def _intrinsics(path: Path) -> np.ndarray:
    try:
        return finite(np.loadtxt(path), (3, 3), str(path))
    except (OSError, ValueError) as error:
        raise VipaError(f"{path}: {error}") from None
