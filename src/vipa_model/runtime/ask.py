"""Asking a checkpoint: a question about pictures in, words and perhaps a motion out, and the motion drawn on the picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from vipa_model.network.modeling_vipa import VipaForActionPrediction
from vipa_model.processing.directions import VIEW_HEIGHT
from vipa_model.processing.images import lift_depth, make_view
from vipa_model.processing.motion_tokens import MotionTokenizer
from vipa_model.processing.processing_vipa import VipaProcessor

LENS = 60.0  # degrees, horizontal: assumed for drawing where no intrinsics are given
NEAREST = 0.02  # metres before the lens from which on a point is drawn


@dataclass
class Picture:
    """image: (H, W, 3) uint8 RGB. depth: (H, W) uint16 mm or None. intrinsics: (3, 3) pixels or None. extrinsics: (4, 4) base from
    optical or None."""

    image: np.ndarray
    depth: np.ndarray | None = None
    intrinsics: np.ndarray | None = None
    extrinsics: np.ndarray | None = None


@dataclass
class Answer:
    """text: without motion tokens. motion: (T, 3) m, the wrist's way as the checkpoint was taught it: in the camera's optical frame, or
    in the robot's view (``robot_view``). displacement: (3,) m, as it is regressed beside the words, or None."""

    text: str
    motion: np.ndarray
    displacement: np.ndarray | None = None


class Asker:
    """A checkpoint that answers. ``robot_view``: whether its motions are in the robot's view (alignment data of the simulated cell) or
    in the camera's frame (Hand3D)."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        """Raises FileNotFoundError or ValueError for a folder that is no checkpoint."""
        self.model = VipaForActionPrediction.from_pretrained(folder).to(device)
        self.processor, self.device = VipaProcessor.from_pretrained(folder), device
        self.robot_view = self.model.config.vectors

    @torch.inference_mode()
    def ask(self, pictures: list[Picture], question: str, longest: int = 64) -> Answer:
        """The greedy answer of at most ``longest`` tokens. Pictures without depth, intrinsics or extrinsics count as without depth.
        Raises ValueError for a picture of another form."""
        batch = {k: torch.from_numpy(v).to(self.device) for k, v in self._batch(pictures, question).items()}
        inner, displacement = self.model.model, None
        ids = inner.generate(batch, longest, self.processor.tokenizer.end).tolist()
        if inner.numbers is not None:
            mask = torch.ones_like(batch["input_ids"], dtype=torch.bool)
            hidden = inner.run_language(inner.embed_prompt(batch), mask)[:, -1]
            displacement = inner.numbers.displacement(hidden)[0].float().cpu().numpy()
        words = [i for i in ids if i < self.model.config.text.vocab and i != self.processor.tokenizer.end]
        return Answer(self.processor.tokenizer.decode(words).strip(), self._motion(ids), displacement)

    def _motion(self, ids: list[int]) -> np.ndarray:
        """The whole triplets at the beginning of the motion tokens among ``ids``, as (T, 3) m; what breaks the order ends it."""
        first = self.model.config.text.vocab
        motion = MotionTokenizer(first)
        said = [i for i in ids if i >= first]
        whole = 0
        while whole < len(said) and motion.axis(said[whole]) == whole % 3:
            whole += 1
        return motion.decode(np.array(said[: whole - whole % 3], np.int64)).reshape(-1, 3)

    def _batch(self, pictures: list[Picture], question: str) -> dict[str, np.ndarray]:
        config, pixels, maps = self.model.config, [], []
        for picture in pictures:
            lifted = picture.depth is not None and picture.intrinsics is not None
            view, depth, k = make_view(
                picture.image,
                picture.depth if lifted else None,
                picture.intrinsics if lifted else np.eye(3),
                config.vision.image_size,
            )
            pose = np.eye(4) if picture.extrinsics is None else picture.extrinsics
            pixels.append(view)
            maps.append(lift_depth(depth, k, pose, config.spatial.stride))
        batch = {
            "pixels": np.stack(pixels)[None],
            "input_ids": np.array([self.processor.ids([question], len(pictures))]),
        }
        return batch | ({"pointmap": np.stack(maps)[None]} if self.processor.uses_depth else {})


def draw(picture: Picture, motion: np.ndarray, robot_view: bool) -> np.ndarray:
    """The picture with ``motion`` (T, 3) m as a line from blue to red, (H, W, 3) uint8 RGB. Points behind the lens are left out.

    Raises ValueError for a motion in the robot's view without extrinsics, which say where the camera is."""
    image = np.ascontiguousarray(picture.image).copy()
    height, width = image.shape[:2]
    points = np.asarray(motion, np.float64)
    if robot_view:
        if picture.extrinsics is None:
            raise ValueError(
                "the motion is in the robot's view; allowed: a picture whose extrinsics are given (--camera)"
            )
        base = np.stack([points[:, 2], -points[:, 0], VIEW_HEIGHT - points[:, 1]], 1)  # directions.robot_view undone
        inverse = np.linalg.inv(picture.extrinsics)
        points = base @ inverse[:3, :3].T + inverse[:3, 3]
    focal = width / 2 / np.tan(np.radians(LENS / 2))
    k = (
        np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
        if picture.intrinsics is None
        else picture.intrinsics
    )
    seen = points[points[:, 2] > NEAREST]
    places = np.rint((seen @ np.asarray(k).T)[:, :2] / seen[:, 2:]).astype(int)
    size = max(2, height // 120)
    shares = np.linspace(0, 1, len(places))
    colours = [(int(255 * share), 60, int(255 * (1 - share))) for share in shares]
    for first, second, colour in zip(places, places[1:], colours[1:], strict=False):
        cv2.line(image, first.tolist(), second.tolist(), colour, size, cv2.LINE_AA)
    for place, colour in zip(places, colours, strict=True):
        cv2.circle(image, place.tolist(), size + 1, colour, -1, cv2.LINE_AA)
    return image
