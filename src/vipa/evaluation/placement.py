"""Resetting a real scene: the required placement over the live picture, and whether cameras and arm stand as in the reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vipa import config, documents, files
from vipa.errors import VipaError
from vipa.evaluation.camera_check import Drift, drift

SAME_POSE = 0.02  # radians that a joint may be off the pose in which the references were taken
TINT = (0.35, np.array([90, 255, 140], float))  # share and colour of what is to stand there
OUTLINE = (0, 255, 90)


@dataclass(frozen=True)
class Wanted:
    """How a camera would see the required placement: color (H, W, 3) uint8 RGB, mask (H, W) bool: where the movable things are."""

    color: np.ndarray
    mask: np.ndarray


def overlay(live: np.ndarray, wanted: Wanted) -> np.ndarray:
    """`live` (H, W, 3) uint8 RGB with the things where they are to be put: half as they will look, tinted, and outlined."""
    height, width = live.shape[:2]
    color = cv2.resize(wanted.color, (width, height), interpolation=cv2.INTER_AREA)
    mask = cv2.resize(wanted.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
    share, tint = TINT
    ghost = (1 - share) * color + share * tint
    shown = np.where(mask[..., None], 0.5 * live + 0.5 * ghost, live).astype(np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.ascontiguousarray(shown), outlines, -1, OUTLINE, 2)


class Reference:
    """The set's reference pictures in `folder`: one a camera, and the joints' positions when they were taken."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    @property
    def exists(self) -> bool:
        return (self.folder / "joints.json").is_file()

    def take(self, pictures: Mapping[str, np.ndarray], joints: Mapping[str, float]) -> None:
        """Keeps `pictures` (RGB by camera) and `joints` (radians or metres by name) as the reference."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for camera, picture in pictures.items():
            files.write_bytes(self.folder / f"{camera}.png", encoded(picture, ".png"))
        files.write_json(self.folder / "joints.json", dict(joints))

    def check(
        self, pictures: Mapping[str, np.ndarray], intrinsics: Mapping[str, np.ndarray], joints: Mapping[str, float]
    ) -> tuple[dict[str, Drift], list[str]]:
        """Drift of each camera, and what is not as it was, a line each. intrinsics: (3, 3) by camera. With the arm elsewhere no camera is
        looked at: what it carries moves with it. Raises VipaError for a damaged reference."""
        path = self.folder / "joints.json"
        before = config.build(documents.read_json(path), dict[str, float], str(path))
        off = {name: abs(joints[name] - at) for name, at in before.items() if name in joints}
        if missing := [name for name in before if name not in joints]:
            return {}, [f"nothing is heard of joint {missing[0]}"]
        if off and max(off.values()) > SAME_POSE:
            worst = max(off, key=off.__getitem__)
            return {}, [
                f"the arm is not in the pose of the reference: joint {worst} is off by {off[worst]:.3f} rad; bring it home"
            ]
        found = {
            camera: drift(self._picture(camera), picture, intrinsics[camera]) for camera, picture in pictures.items()
        }
        return found, [fault for camera, moved in found.items() if (fault := moved.fault(camera))]

    def _picture(self, camera: str) -> np.ndarray:
        path = self.folder / f"{camera}.png"
        picture = cv2.imread(str(path))
        if picture is None:
            raise VipaError(f"{path}: no picture; remove {self.folder} to take the reference anew")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def encoded(picture: np.ndarray, kind: str) -> bytes:
    """RGB `picture` as the bytes of a file of `kind` (".png", ".jpg")."""
    return cv2.imencode(kind, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
