"""Reference pictures of a cell's cameras: kept, and compared with what they see later. What has moved is told, and shown how to put back."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from vipa import config, documents, files
from vipa.calibration.camera_check import Drift, fine_drift
from vipa.errors import VipaError

SAME_POSE_RAD = 0.02  # radians that a joint may be off the pose in which the references were taken
OUTLINE = (0, 255, 90)


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
        if off and max(off.values()) > SAME_POSE_RAD:
            worst = max(off, key=off.__getitem__)
            return {}, [
                f"the arm is not in the pose of the reference: joint {worst} is off by {off[worst]:.3f} rad; bring it home"
            ]
        found = {
            camera: fine_drift(self._picture(camera), picture, intrinsics[camera])
            for camera, picture in pictures.items()
        }
        return found, [fault for camera, moved in found.items() if (fault := moved.fault(camera))]

    def _picture(self, camera: str) -> np.ndarray:
        path = self.folder / f"{camera}.png"
        picture = cv2.imread(str(path))
        if picture is None:
            raise VipaError(f"{path}: no picture; remove {self.folder} to take the reference anew")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)

    def put_back(self, camera: str, live: np.ndarray, moved: Drift) -> np.ndarray:
        """`live` (H, W, 3) uint8 RGB with the outlines of the reference over it, and by how much it is off: turn the camera until they lie
        on each other."""
        before = cv2.cvtColor(self._picture(camera), cv2.COLOR_RGB2GRAY)
        before = cv2.resize(before, live.shape[1::-1], interpolation=cv2.INTER_AREA)
        outlines = cv2.dilate(cv2.Canny(before, 60, 150), np.ones((2, 2), np.uint8)) > 0
        shown = np.ascontiguousarray(np.where(outlines[..., None], np.uint8(OUTLINE), (0.6 * live).astype(np.uint8)))
        said = f"{moved.pixels:.1f} px, {moved.degrees:.2f} deg" if moved.points else "not recognised"
        cv2.putText(shown, said, (6, live.shape[0] - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, OUTLINE, 1, cv2.LINE_AA)
        return shown


def encoded(picture: np.ndarray, kind: str) -> bytes:
    """RGB `picture` as the bytes of a file of `kind` (".png", ".jpg")."""
    return cv2.imencode(kind, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
