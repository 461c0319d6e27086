"""HOI4D: hands that handle an object of one of 16 categories, seen by a depth camera on the head.

Layout after github.com/leolyliu/HOI4D-Instructions, README, utils/decode.py and definitions/task, its archives unpacked into one folder:
HOI4D_release/SEQ/{align_rgb/image.mp4,align_depth/depth_video.avi}, HOI4D_annotations/SEQ/{action/color.json,objpose/N.json,3Dseg/output.log},
handpose/refinehandpose_{left,right}/SEQ/N.pickle, camera_params/CAMERA/intrin.npy, where SEQ is CAMERA/HUMAN/CATEGORY/OBJECT/ROOM/LAYOUT/TASK. The
names of the last two folders and the two forms of color.json are from public code that reads them, not from the README.

Hands are MANO's parameters: the wrist is `trans` and an offset that only MANO's model gives. It is the same in all frames, and found here from the
wrist's pixels in `kps2D`; fingers are left out. Not verified: that depth is in millimetres.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vipa import documents
from vipa.errors import VipaError
from vipa.human import pickles
from vipa.human.clip import LEFT, RIGHT, Clip, finite, read_frame

FPS = 15.0  # where no action says for how many seconds the pictures go on
RESTS = ("rest", "stop")  # actions that are none
MAX_OFF = 20.0  # pixels from a wrist to its keypoint; a frame beyond is not believed
TASKS = {  # of definitions/task: the object, and what T1 to T6 do with it
    1: ("toy car", "pick and place", "push toy car", "put it in the drawer", "take it out of the drawer"),
    2: ("mug", "pick and place", "put it in the drawer", "take it out of the drawer", "fill with water by a kettle",
        "pour water into another mug", "pick and place (with water)"),
    3: ("laptop", "pick and place", "open and close the display"),
    4: ("storage furniture", "open and close the drawer", "open and close the door", "put the drink in the door", "put the drink in the drawer"),
    5: ("bottle", "pick and place", "pour all the water into a mug", "put it in the drawer", "take it out of the drawer",
        "reposition the bottle", "pick and place (with water)"),
    6: ("safe", "open and close the door", "put something in it", "take something out of it"),
    7: ("bowl", "pick and place", "put it in the drawer", "take it out of the drawer", "take the ball out of the bowl",
        "put the ball in the bowl", "pick and place (with ball)"),
    8: ("bucket", "pick and place", "pour water into another bucket"),
    9: ("scissors", "pick and place", "cut something"),
    11: ("pliers", "pick and place", "take it out of the drawer", "put it in the drawer", "clamp something"),
    12: ("kettle", "pick and place", "pour water into a mug"),
    13: ("knife", "pick and place", "take it out of the drawer", "put it in the drawer", "cut apple"),
    14: ("trash can", "open and close", "throw something in it"),
    17: ("lamp", "pick and place", "turn and fold", "turn on and turn off"),
    18: ("stapler", "pick and place", "bind the paper"),
    20: ("chair", "pick and place to the original position", "pick and place to the original position", "pick and place to a new position",
         "pick and place to a new position"),
}  # fmt: skip


def clips(root: Path) -> Iterator[Clip]:
    """A clip an action, or a sequence where none are marked, of those whose video and hands are there.

    Raises VipaError for a file that is not as published.
    """
    root = Path(root)
    for folder in sorted((root / "HOI4D_annotations").glob("/".join("*" * 7))):
        place = folder.relative_to(root / "HOI4D_annotations")
        hands = {
            hand: root / f"handpose/refinehandpose_{side}" / place for hand, side in ((LEFT, "left"), (RIGHT, "right"))
        }
        video = root / "HOI4D_release" / place / "align_rgb" / "image.mp4"
        if not video.is_file() or not any(path.is_dir() for path in hands.values()):
            continue
        whole, actions = _sequence(root, place, hands)
        for begin, end, words in actions:
            yield whole.part(begin, end, words)


def _sequence(root: Path, place: Path, hands: dict[str, Path]) -> tuple[Clip, list[tuple[int, int, str]]]:
    """A whole sequence, and (first picture, end, words) of its actions."""
    annotations, release = root / "HOI4D_annotations" / place, root / "HOI4D_release" / place
    thing, task = _task(annotations)
    cameras = _cameras(annotations / "3Dseg" / "output.log")
    parameters = root / "camera_params" / place.parts[0] / "intrin.npy"
    intrinsics = finite(pickles.load_npy(parameters), (3, 3), str(parameters))
    fps, actions = _actions(annotations / "action" / "color.json", len(cameras), thing)
    depth = release / "align_depth" / "depth_video.avi"
    whole = Clip(
        "-".join(place.parts),
        task,
        fps,
        {hand: _wrist(path, len(cameras), intrinsics)[:, None] for hand, path in hands.items()},
        {thing: _places(annotations / "objpose", len(cameras))},
        cameras,
        intrinsics,
        lambda k: read_frame(release / "align_rgb" / "image.mp4", k, fps),
        (lambda k: read_frame(depth, k, fps, "gray16le")) if depth.is_file() else None,
    )
    return whole, actions or [(0, len(cameras), task)]


def _task(folder: Path) -> tuple[str, str]:
    """The object and what is done with it, by the sequence's C and T."""
    category, task = (int(folder.parts[k][1:]) if folder.parts[k][1:].isdecimal() else 0 for k in (-5, -1))
    thing, *tasks = TASKS.get(category, ("",))
    if not 1 <= task <= len(tasks):
        raise VipaError(
            f"{folder}: category {folder.parts[-5]}, task {folder.parts[-1]}; allowed: those of HOI4D's table"
        )
    return thing, f"{tasks[task - 1]}: {thing}"


def _cameras(path: Path) -> np.ndarray:
    """(T, 4, 4) world ← camera: five lines a frame, the first with its number."""
    try:
        lines = path.read_text("utf-8").splitlines()
        rows = [[float(word) for word in line.split()] for k, line in enumerate(lines) if k % 5]
        return finite(np.reshape(rows, (-1, 4, 4)), (None, 4, 4), str(path))
    except (OSError, ValueError) as error:
        raise VipaError(f"{path}: {error}") from None


def _actions(path: Path, count: int, thing: str) -> tuple[float, list[tuple[int, int, str]]]:
    """Pictures a second, and (first picture, end, words) of each action; none where the file is not there."""
    if not path.is_file():
        return FPS, []
    data: Any = documents.read_json(path)
    try:
        marks = data["events"] if "events" in data else data["markResult"]["marks"]
        seconds = float(data["info"].get("duration") or data["info"]["Duration"])
        spans = [
            (
                float(m.get("startTime", m.get("hdTimeStart"))),
                float(m.get("endTime", m.get("hdTimeEnd"))),
                str(m["event"]),
            )
            for m in marks
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VipaError(f"{path}: {error!r}; allowed: events with their times, and info with duration") from None
    if not math.isfinite(seconds) or seconds <= 0:
        raise VipaError(f"{path}: duration {seconds}; allowed: above 0")
    fps = round(count / seconds, 3)
    found = [(max(0, round(a * fps)), min(count, round(b * fps)), w.strip().lower()) for a, b, w in spans]
    return fps, [(a, b, f"{words} the {thing}") for a, b, words in found if b - a > 1 and words not in RESTS]


def _wrist(folder: Path, count: int, intrinsics: np.ndarray) -> np.ndarray:
    """(count, 3) in the camera's frame; NaN where the hand is not known."""
    frames, places, pixels = [], [], []
    for path in sorted(folder.glob("*.pickle")):
        data: Any = pickles.load(path)
        try:
            place, pixel = data["trans"], np.asarray(data["kps2D"])[0]
            frame = int(path.stem)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise VipaError(f"{path}: {error!r}; allowed: trans, and kps2D with the wrist first") from None
        if frame < count:
            frames.append(frame)
            places.append(finite(place, (3,), f"{path}: trans"))
            pixels.append(finite(pixel, (2,), f"{path}: kps2D"))
    wrist = np.full((count, 3), np.nan)
    if frames:
        wrist[frames] = with_offset(np.array(places), np.array(pixels), intrinsics)
    return wrist


def with_offset(places: np.ndarray, pixels: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """`places` (n, 3) moved by the one offset with which they are seen at `pixels` (n, 2), by least squares.

    What the pixels do not tell, as the depth of a hand that rests, is left at 0. NaN where a place is seen elsewhere all the same.
    """
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    lines = np.zeros((len(places), 2, 3))  # of each place p: lines @ (p + offset) = 0
    lines[:, 0, 0], lines[:, 0, 2] = fx, cx - pixels[:, 0]
    lines[:, 1, 1], lines[:, 1, 2] = fy, cy - pixels[:, 1]
    off = -np.einsum("nij,nj->ni", lines, places)
    offset = np.linalg.lstsq(lines.reshape(-1, 3), off.reshape(-1), rcond=0.01)[0]
    found = places + offset
    seen = found @ intrinsics.T
    wrong = ~(np.abs(seen[:, :2] / seen[:, 2:] - pixels).max(axis=1) <= MAX_OFF) | (found[:, 2] <= 0)
    found[wrong] = np.nan
    return found


def _places(folder: Path, count: int) -> np.ndarray:
    """(count, 3): the first pose of each file, the object or its main part; NaN where there is none."""
    where = np.full((count, 3), np.nan)
    for path in folder.glob("*.json"):
        data: Any = documents.read_json(path)
        try:
            poses = data["dataList"] if "dataList" in data else data["objects"]
            centre = [poses[0]["center"][axis] for axis in "xyz"] if poses else None
            frame = int(path.stem)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise VipaError(f"{path}: {error!r}; allowed: dataList or objects with center") from None
        if centre and frame < count:
            where[frame] = finite(centre, (3,), str(path))
    return where
