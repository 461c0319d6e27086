"""EgoDex: both hands, tracked by a headset, seen by its camera.

Layout after the published description (arxiv.org/abs/2505.11709): TASK/N.hdf5 beside TASK/N.mp4; in it `camera/intrinsic` (3, 3),
`transforms/NAME` (T, 4, 4) world ← joint with `camera` and `leftHand`, `rightHand` (the wrists), `confidences/NAME` (T,), and the attributes
`llm_description`, `llm_description2`, `which_llm_description`. Its own loader was not at hand; not verified: that the camera's axes are x right,
y down, z forward. Needs h5py.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vipa.errors import VipaError
from vipa.human.clip import LEFT, RIGHT, Clip, moved, read_frame

FPS = 30.0
MIN_CONFIDENCE = 0.1  # of a joint, to be believed; assumed


def clips(root: Path) -> Iterator[Clip]:
    """A clip a file. Raises VipaError for a file that is not as published, or without h5py."""
    try:
        import h5py
    except ImportError:
        raise VipaError("EgoDex is HDF5, and h5py is not there; install it: pip install h5py") from None
    for path in sorted(Path(root).glob("**/*.hdf5")):
        try:
            with h5py.File(path, "r") as file:
                yield _clip(Path(root), path, file)
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise VipaError(f"{path}: {error}") from None


def _clip(root: Path, path: Path, file) -> Clip:
    cameras = np.asarray(file["transforms/camera"], float)
    to_camera = np.linalg.inv(cameras)
    hands = {name: _joints(file, side, to_camera) for name, side in ((LEFT, "left"), (RIGHT, "right"))}
    which = file.attrs.get("which_llm_description", "1")
    which = which.decode() if isinstance(which, bytes) else str(which)
    text = file.attrs.get("llm_description2" if which == "2" else "llm_description", "")
    text = text.decode() if isinstance(text, bytes) else str(text)
    place = path.relative_to(root).with_suffix("")
    return Clip(
        "-".join(place.parts),
        text.strip().rstrip(".") or place.parent.name.replace("_", " "),
        FPS,
        hands,
        {},
        cameras,
        np.asarray(file["camera/intrinsic"], float).reshape(3, 3),
        lambda k: read_frame(path.with_suffix(".mp4"), k, FPS),
    )


def _joints(file, side: str, to_camera: np.ndarray) -> np.ndarray:
    """(T, J, 3) in the camera's frame, the wrist first; NaN where the headset was not sure."""
    fingers = sorted(n for n in file["transforms"] if n.startswith(side) and ("Finger" in n or "Thumb" in n))
    found = []
    for name in (f"{side}Hand", *fingers):
        world = np.asarray(file[f"transforms/{name}"], float)[:, :3, 3]
        points = moved(to_camera, world)
        if "confidences" in file and name in file["confidences"]:
            points[np.asarray(file[f"confidences/{name}"], float) < MIN_CONFIDENCE] = np.nan
        found.append(points)
    return np.stack(found, axis=1)
