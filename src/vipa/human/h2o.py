"""H2O: two hands and objects, seen by a camera on the head.

Layout after github.com/taeinkwon/h2odataset, README: …/cam4/{rgb,cam_pose,hand_pose,obj_pose,action_label}/NNNNNN.*, cam_intrinsics.txt. Not
verified: that pictures are .png or .jpg of the frame's number, that depth is in millimetres (it is not used).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vipa.errors import VipaError
from vipa.human.clip import LEFT, RIGHT, Clip, numbers, read_picture

FPS = 30.0
OBJECTS = ("", "book", "espresso", "lotion", "spray", "milk", "cocoa", "chips", "cappuccino")
ACTIONS = (
    "", "grab book", "grab espresso", "grab lotion", "grab spray", "grab milk", "grab cocoa", "grab chips", "grab cappuccino",
    "place book", "place espresso", "place lotion", "place spray", "place milk", "place cocoa", "place chips", "place cappuccino",
    "open lotion", "open milk", "open chips", "close lotion", "close milk", "close chips", "pour milk", "take out espresso",
    "take out cocoa", "take out chips", "take out cappuccino", "put in espresso", "put in cocoa", "put in cappuccino", "apply lotion",
    "apply spray", "read book", "read espresso", "spray spray", "squeeze lotion",
)  # fmt: skip


def clips(root: Path) -> Iterator[Clip]:
    """A clip of every stretch of one action. Raises VipaError for a file that is not as published."""
    for folder in sorted(Path(root).glob("**/cam4")):
        frames = sorted(p.stem for p in (folder / "hand_pose").glob("*.txt"))
        labels = [_label(folder, frame) for frame in frames]
        edges = [0, *(k for k in range(1, len(frames)) if labels[k] != labels[k - 1]), len(frames)]
        for begin, end in zip(edges, edges[1:], strict=False):
            if labels[begin]:
                yield _clip(Path(root), folder, frames[begin:end], ACTIONS[labels[begin]])


def _label(folder: Path, frame: str) -> int:
    label = int(numbers(folder / f"action_label/{frame}.txt", 1)[0])
    if not 0 <= label < len(ACTIONS):
        raise VipaError(f"{folder}/action_label/{frame}.txt: {label}; allowed: 0 to {len(ACTIONS) - 1}")
    return label


def _clip(root: Path, folder: Path, frames: list[str], action: str) -> Clip:
    poses = np.stack([numbers(folder / f"hand_pose/{f}.txt", 128) for f in frames]).reshape(-1, 2, 64)
    joints = np.where(poses[..., :1] > 0, poses[..., 1:], np.nan).reshape(len(frames), 2, 21, 3)
    objects = np.stack([numbers(folder / f"obj_pose/{f}.txt", 64) for f in frames])
    things = {
        OBJECTS[int(n)]: np.where(objects[:, :1] == n, objects[:, 1:4], np.nan)
        for n in np.unique(objects[:, 0])
        if 0 < n < len(OBJECTS)
    }
    fx, fy, cx, cy, *_ = numbers(folder / "cam_intrinsics.txt", 6)
    name = "-".join([*folder.relative_to(root).parts[:-1], frames[0]])

    def picture(number: int) -> np.ndarray:
        found = sorted((folder / "rgb").glob(f"{frames[number]}.*"))
        if not found:
            raise VipaError(f"{folder}/rgb: no picture {frames[number]}")
        return read_picture(found[0])

    return Clip(
        name,
        action,
        FPS,
        {LEFT: joints[:, 0], RIGHT: joints[:, 1]},
        things,
        np.stack([numbers(folder / f"cam_pose/{f}.txt", 16).reshape(4, 4) for f in frames]),
        np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
        picture,
    )
