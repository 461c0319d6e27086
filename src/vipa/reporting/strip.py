"""A film strip: pictures of an episode at equal steps, side by side in one small image."""

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from vipa import files

PICTURES = 6
WIDTH, HEIGHT = 160, 120  # pixels of a picture
QUALITY = 75


def chosen(count: int) -> np.ndarray:
    """Which of `count` pictures in a row the strip shows: the first, the last and others between them."""
    return np.unique(np.linspace(0, count - 1, PICTURES).round().astype(int))


def jpeg(pictures: Sequence[np.ndarray]) -> bytes:
    """`pictures` (H, W, 3) uint8 RGB side by side."""
    small = [cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for picture in pictures]
    image = cv2.cvtColor(np.hstack(small), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def of_video(video: Path) -> Path | None:
    """Writes strip.jpg beside the file `video`, from the left half of its frames, where the first camera is; None: it has no frames."""
    with av.open(str(video)) as file:
        stream = file.streams.video[0]
        wanted = set(chosen(max(stream.frames, 1)).tolist())
        frames = [frame.to_ndarray(format="rgb24") for i, frame in enumerate(file.decode(stream)) if i in wanted]
    if not frames:
        return None
    path = video.with_name("strip.jpg")
    files.write_bytes(path, jpeg([frame[:, : frame.shape[1] // 2] for frame in frames]))
    return path
