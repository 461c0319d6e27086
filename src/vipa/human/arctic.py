"""ARCTIC: both hands that grab or use one of 11 jointed objects, seen by a camera on the head.

Layout after github.com/zc-alexfan/arctic, docs/data/data_doc.md, src/arctic/processing.py and src/arctic/split.py, in the folder `data`:
processed_seqs/SUBJECT/OBJECT_ACTION_NN.npy (their scripts_data/process_seqs.py makes it of raw_seqs with the user's own MANO and SMPL-X),
images/SUBJECT/SEQUENCE/0/NNNNN.jpg, meta/misc.json. View 0 is the head camera's; joints and boxes are of its picture without distortion, the
pictures have it. The first and last ten pictures may be black and are left out, as the authors do.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vipa import documents
from vipa.errors import VipaError
from vipa.human import pickles
from vipa.human.clip import LEFT, RIGHT, Clip, finite, read_picture

FPS = 30.0
BLACK = 10  # pictures at either end
OBJECTS = {"capsulemachine": "capsule machine", "espressomachine": "espresso machine", "waffleiron": "waffle iron"}


def clips(root: Path) -> Iterator[Clip]:
    """A clip a sequence whose pictures are there. Raises VipaError for a file that is not as published, or if none was processed."""
    root = Path(root)
    if (root / "raw_seqs").is_dir() and not (root / "processed_seqs").is_dir():
        raise VipaError(f"{root}: raw_seqs alone; allowed: with processed_seqs, which ARCTIC's process_seqs.py makes")
    for path in sorted(root.glob("processed_seqs/*/*.npy")):
        if not (root / "images" / path.parent.name / path.stem / "0").is_dir():
            continue
        data = pickles.load_npy(path)
        try:
            yield _clip(root, path, data["cam_coord"], data["params"])
        except (KeyError, TypeError, IndexError) as error:
            raise VipaError(f"{path}: {error!r}; allowed: what ARCTIC has there") from None


def _clip(root: Path, path: Path, seen: Any, params: Any) -> Clip:
    subject, sequence = path.parent.name, path.stem
    named = re.fullmatch(r"([a-z]+)_(grab|use)_\w+", sequence)
    if not named:
        raise VipaError(f"{path}: the name {sequence!r}; allowed: OBJECT_grab_NN or OBJECT_use_NN")
    thing = OBJECTS.get(named[1], named[1])
    poses = finite(params["world2ego"], (None, 4, 4), f"{path}: world2ego")
    offset = int(documents.read_json(root / "meta" / "misc.json")[subject]["ioi_offset"])  # of pictures' numbers
    numbers = [n for n in range(BLACK, len(poses) - BLACK) if 0 <= n - offset < len(poses)]
    rows = np.array(numbers, int) - offset
    if not len(rows):
        raise VipaError(f"{path}: {len(poses)} frames; allowed: more than {2 * BLACK}")
    boxes = finite(np.asarray(seen["bbox3d"])[rows, 0], (len(rows), 16, 3), f"{path}: bbox3d")
    pictures = root / "images" / subject / sequence / "0"
    return Clip(
        f"{subject}-{sequence}",
        f"{named[2]} the {thing}",
        FPS,
        {hand: _joints(path, seen, side, rows) for hand, side in ((LEFT, "left"), (RIGHT, "right"))},
        {thing: boxes.mean(axis=1)},
        np.linalg.inv(poses[rows]),
        finite(np.asarray(params["K_ego"])[0], (3, 3), f"{path}: K_ego"),
        lambda k: read_picture(pictures / f"{numbers[k]:05d}.jpg"),
    )


def _joints(path: Path, seen: Any, side: str, rows: np.ndarray) -> np.ndarray:
    """(T, 21, 3); NaN where the hand is not in the picture."""
    joints = finite(np.asarray(seen[f"joints.{side}"])[rows, 0], (len(rows), 21, 3), f"{path}: joints.{side}")
    joints[np.asarray(seen[f"{side}_valid"])[rows, 0] < 1] = np.nan
    return joints
