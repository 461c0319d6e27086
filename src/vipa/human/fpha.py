"""FPHA (first-person hand action): the right hand with magnetic sensors, seen by a camera on the shoulder.

Layout and constants after github.com/guiggh/hand_pose_action, load_example.py: Hand_pose_annotation_v1/SUBJECT/ACTION/N/skeleton.txt (frame and 21
joints, millimetres), Object_6D_pose_annotation_v1/…/object_pose.txt (frame and 4 x 4, column by column),
Video_files/…/color/color_NNNN.jpeg. Where the camera is is not published: it is taken to stand still within a clip.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vipa.errors import VipaError
from vipa.human.clip import RIGHT, Clip, read_picture

FPS = 30.0
OBJECTS = {"juice": "juice bottle", "liquid_soap": "liquid soap", "milk": "milk", "salt": "salt"}
INTRINSICS = np.array([[1395.749023, 0, 935.732544], [0, 1395.749268, 540.681030], [0, 0, 1]])
CAMERA = np.array(
    [
        [0.999988496304, -0.00468848412856, 0.000982563360594, 25.7],
        [0.00469115935266, 0.999985218048, -0.00273845880292, 1.22],
        [-0.000969709653873, 0.00274303671904, 0.99999576807, 3.902],
        [0, 0, 0, 1],
    ]
)  # colour camera ← frame of the annotations, millimetres


def clips(root: Path) -> Iterator[Clip]:
    """A clip a sequence. Raises VipaError for a file that is not as published."""
    for path in sorted(Path(root).glob("Hand_pose_annotation_v1/*/*/*/skeleton.txt")):
        place = path.parent.relative_to(Path(root) / "Hand_pose_annotation_v1")
        table = _table(path, 64)
        action = place.parts[1]
        things = {}
        poses = Path(root) / "Object_6D_pose_annotation_v1" / place / "object_pose.txt"
        if poses.is_file():
            name = next((words for key, words in OBJECTS.items() if key in action), "object")
            rows = _table(poses, 17)
            if len(rows) != len(table):
                raise VipaError(f"{poses}: {len(rows)} frames; allowed: {len(table)}, as the skeleton has")
            things[name] = _seen(rows[:, 1:].reshape(-1, 4, 4).transpose(0, 2, 1)[:, :3, 3])
        pictures = Path(root) / "Video_files" / place / "color"
        frames = table[:, 0].astype(int)
        yield Clip(
            "-".join(place.parts),
            action.replace("_", " "),
            FPS,
            {RIGHT: _seen(table[:, 1:].reshape(-1, 3)).reshape(len(table), 21, 3)},
            things,
            None,
            INTRINSICS,
            lambda number, pictures=pictures, frames=frames: read_picture(
                pictures / f"color_{frames[number]:04d}.jpeg"
            ),
        )


def _seen(points: np.ndarray) -> np.ndarray:
    """Points (N, 3) of the annotations, millimetres, in the colour camera's frame, metres."""
    return (points @ CAMERA[:3, :3].T + CAMERA[:3, 3]) / 1000.0


def _table(path: Path, width: int) -> np.ndarray:
    try:
        found = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise VipaError(f"{path}: {error}") from None
    if found.ndim != 2 or found.shape[1] != width or not len(found) or not np.isfinite(found).all():
        raise VipaError(f"{path}: {found.shape} numbers; allowed: rows of {width} finite ones")
    return found
