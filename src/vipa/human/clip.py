"""What every reader makes of its layout: a stretch of video in which a hand does one thing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
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

    def part(self, begin: int, end: int, instruction: str) -> "Clip":
        """The pictures from `begin` to before `end`, in which `instruction` is done."""
        picture, depth = self.picture, self.depth
        return replace(
            self,
            key=f"{self.key}-{begin:06d}",
            instruction=instruction,
            hands={name: joints[begin:end] for name, joints in self.hands.items()},
            things={name: where[begin:end] for name, where in self.things.items()},
            cameras=None if self.cameras is None else self.cameras[begin:end],
            picture=lambda k: picture(begin + k),
            depth=depth and (lambda k: depth(begin + k)),
        )

    def seen_from(self, place: int, points: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Points (N, 3) of the cameras at `places` (N,), in the frame of the camera at `place`."""
        if self.cameras is None:
            return points
        to = np.linalg.inv(self.cameras[place])[None] @ self.cameras[places]
        return np.einsum("nij,nj->ni", to[:, :3, :3], points) + to[:, :3, 3]


def read_picture(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB. Raises VipaError."""
    image = cv2.imread(str(path))
    if image is None:
        raise VipaError(f"{path}: no picture that OpenCV reads")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


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


def read_frame(path: Path, number: int, fps: float, form: str = "rgb24") -> np.ndarray:
    """The picture of a video that is shown at number / fps: (H, W, 3) uint8 RGB, or (H, W) uint16 of form "gray16le". Raises VipaError."""
    try:
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            file.seek(round(number / fps / stream.time_base), stream=stream)
            for frame in file.decode(stream):
                if round(frame.pts * stream.time_base * fps) >= number:
                    return frame.to_ndarray(format=form)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise VipaError(f"{path}: {error}") from None
    raise VipaError(f"{path}: no frame {number}")


def finite(value: Any, shape: tuple[int | None, ...], where: str) -> np.ndarray:
    """`value` as float64 of that shape, None: any number. Raises VipaError that names `where`."""
    try:
        found = np.asarray(value, float)
    except (TypeError, ValueError) as error:
        raise VipaError(f"{where}: {error}") from None
    fits = found.ndim == len(shape) and all(w in (None, n) for w, n in zip(shape, found.shape, strict=True))
    if not fits or not np.isfinite(found).all():
        allowed = " x ".join("any" if n is None else str(n) for n in shape)
        raise VipaError(f"{where}: {found.shape} numbers; allowed: {allowed} finite ones")
    return found


def moved(poses: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (T, 3) by the poses (T, 4, 4) of their moments."""
    return np.einsum("tij,tj->ti", poses[:, :3, :3], points) + poses[:, :3, 3]
