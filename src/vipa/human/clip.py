"""What every reader makes of its layout: a stretch of video in which a hand does one thing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vipa.errors import VipaError

LEFT, RIGHT = "left hand", "right hand"


@dataclass(frozen=True)
class Clip:
    """T pictures. Points are in metres in the frame of the camera at their picture: x right, y down, z forward.

    Args:
        key: unique in its dataset, and a file name.
        instruction: the source's own words for what is done.
        fps: pictures a second.
        hands: LEFT, RIGHT → joints (T, J, 3), the wrist first; NaN where they are not known.
        things: name → position (T, 3), NaN where it is not known.
        cameras: (T, 4, 4) world ← camera; None: it stands still, or nobody knows.
        intrinsics: (3, 3), pixels of the pictures.
        picture: number → (H, W, 3) uint8 RGB. Raises VipaError.
        depth: number → (H, W) uint16 millimetres; None: the source has none that is aligned.
    """

    key: str
    instruction: str
    fps: float
    hands: dict[str, np.ndarray]
    things: dict[str, np.ndarray]
    cameras: np.ndarray | None
    intrinsics: np.ndarray
    picture: Callable[[int], np.ndarray]
    depth: Callable[[int], np.ndarray] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.hands.values())))

    def seen_from(self, place: int, points: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Points (N, 3) of the cameras at `places` (N,), in the frame of the camera at `place`."""
        if self.cameras is None:
            return points
        to = np.linalg.inv(self.cameras[place])[None] @ self.cameras[places]
        return np.einsum("nij,nj->ni", to[:, :3, :3], points) + to[:, :3, 3]


def read_picture(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB. Raises VipaError."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise VipaError(f"{path}: no picture that OpenCV reads")
    return image


def read_depth(path: Path) -> np.ndarray:
    """(H, W) uint16. Raises VipaError."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 2 or image.dtype != np.uint16:
        raise VipaError(f"{path}: no 16-bit picture of depth")
    return image


def numbers(path: Path, count: int | None = None) -> np.ndarray:
    """The numbers of a text file, (count,) float64. Raises VipaError if there are others than `count`, or one is not finite."""
    try:
        found = np.array(path.read_text("utf-8").split(), float)
    except (OSError, ValueError) as error:
        raise VipaError(f"{path}: {error}") from None
    if (count is not None and len(found) != count) or not np.isfinite(found).all():
        raise VipaError(f"{path}: {len(found)} numbers; allowed: {count or 'any number of'} finite ones")
    return found
