"""OakInk2: both hands that do primitive tasks, one after the other, seen by a camera on the head.

Layout after github.com/oakink/OakInk2, README, oakink2_toolkit/dataset.py and oakink2_preview: anno_preview/SEQ.pkl (or anno/), data/SEQ/SERIAL/NNNNNN.png
or .jpg, object_raw/obj_desc.json, program/desc_info/SEQ.json whose keys are the frames of the left and the right hand. Hands are MANO's parameters
about the wrist, so that {lh,rh}__tsl is the wrist's place in the world; fingers would need MANO's model and are left out. Not verified: that
places are in metres.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vipa import documents
from vipa.errors import VipaError
from vipa.human import pickles
from vipa.human.clip import LEFT, RIGHT, Clip, finite, moved, read_picture

FPS = 30.0
CAMERA = "egocentric"
SIDES = {LEFT: "lh", RIGHT: "rh"}


def clips(root: Path) -> Iterator[Clip]:
    """A clip a primitive task of every sequence whose pictures are there. Raises VipaError for a file that is not as published."""
    root = Path(root)
    for path in sorted(p for folder in ("anno_preview", "anno") for p in (root / folder).glob("*.pkl")):
        if not (root / "data" / path.stem).is_dir():
            continue
        descriptions = documents.read_json(root / "program" / "desc_info" / f"{path.stem}.json")
        names = documents.read_json(root / "object_raw" / "obj_desc.json")
        data = pickles.load(path)
        for key, words in descriptions.items():
            try:
                left, right = ast.literal_eval(key)
                spans = {LEFT: left, RIGHT: right}
                clip = _clip(root, path, data, names, {h: tuple(s) for h, s in spans.items() if s}, words["seg_desc"])
            except (KeyError, TypeError, ValueError, SyntaxError, IndexError, StopIteration) as error:
                raise VipaError(f"{path}: {error!r}; allowed: what OakInk2 has there") from None
            if clip:
                yield clip


def _clip(root: Path, path: Path, data: Any, names: Any, spans: dict[str, tuple], words: str) -> Clip | None:
    """None where no picture is in the spans."""
    begin, end = min(s[0] for s in spans.values()), max(s[1] for s in spans.values())
    frames = [frame for frame in data["frame_id_list"] if begin <= frame < end]
    if not frames:
        return None
    serial = next(serial for serial, name in data["cam_def"].items() if name == CAMERA)
    to_camera = _stack([data["cam_extr"][CAMERA][f] for f in frames], (4, 4), f"{path}: cam_extr")
    hands = {}
    for hand, (first, last) in spans.items():
        places = _stack(
            [np.reshape(data["raw_mano"][f][f"{SIDES[hand]}__tsl"], 3) for f in frames], (3,), f"{path}: raw_mano"
        )
        places[[not first <= f < last for f in frames]] = np.nan
        hands[hand] = moved(to_camera, places)[:, None]
    things = {}
    for key in data["obj_list"]:
        poses = _stack([data["obj_transf"][key][f] for f in frames], (4, 4), f"{path}: obj_transf")
        things.setdefault(str(names[key]["obj_name"]).replace("_", " "), moved(to_camera, poses[:, :3, 3]))
    pictures = root / "data" / path.stem / serial
    return Clip(
        f"{path.stem}-{frames[0]:06d}-{frames[-1]:06d}",
        words.strip().rstrip("."),
        FPS,
        hands,
        things,
        np.linalg.inv(to_camera),
        finite(data["cam_intr"][CAMERA][frames[0]], (3, 3), f"{path}: cam_intr"),
        lambda k: _picture(pictures, frames[k]),
    )


def _stack(values: list, shape: tuple[int, ...], where: str) -> np.ndarray:
    return finite(values, (len(values), *shape), where)


def _picture(folder: Path, frame: int) -> np.ndarray:
    for ending in ("png", "jpg"):
        if (folder / f"{frame:06d}.{ending}").is_file():
            return read_picture(folder / f"{frame:06d}.{ending}")
    raise VipaError(f"{folder}: no picture {frame:06d}")
