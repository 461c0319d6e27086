"""How much ink is left on a board that lies flat, by how far its colours are from the board's own."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np

from vipa.config import Range
from vipa.vision.sight import Judgement, Sight

Metres = Annotated[float, Range(-10, 10)]
Size = Annotated[float, Range(above=0, high=10)]
CELL_M = 0.002  # metres, edge of the cells that are looked at
FAINT = 24.0  # distance in RGB, 0..255, below which a difference is noise or shading
MIN_SEEN_SHARE = 0.98  # share of the board that must have been seen
BESIDE_M = 0.030  # metres beside something on the board that are not judged
TOLERANCE_M, GROWTH = (
    0.010,
    0.006,
)  # metres over the board that are still the board, and more a square metre of distance


@dataclass(frozen=True)
class Board:
    """middle: (3,) metres in the world, of the white's upper face; size: its width along x and depth along y, metres. rim: metres of it
    that are left out."""

    middle: list[Metres]
    size: list[Size]
    rim: Annotated[float, Range(0, 1)] = 0.006

    def __post_init__(self):
        if len(self.middle) != 3 or len(self.size) != 2 or min(self.size) <= 2 * self.rim:
            raise ValueError("wants middle of three numbers, size of two above twice the rim")


class InkWatch:
    """The ink on one board over an episode. Ink never comes back: what is hidden now counts as it was seen last."""

    def __init__(self, board: Board):
        half = np.array(board.size) / 2 - board.rim
        shape = np.maximum(np.rint(2 * half / CELL_M).astype(int), 2)
        x, y = np.meshgrid(*(np.linspace(-h, h, n) for h, n in zip(half, shape, strict=True)))
        self._cells = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3) + board.middle
        self._ink = np.full(len(self._cells), np.nan)  # by how much it differs from the board, NaN: never seen
        self._first: float | None = None

    def look(self, sight: Sight) -> Judgement:
        """Share 0..1 of the ink that was there when the whole board had been seen for the first time."""
        pixels, _ = sight.project(self._cells)
        seen = _bare(sight, self._cells)
        if seen.any():
            colours = cv2.remap(
                sight.color, *(pixels[:, i].astype(np.float32)[:, None] for i in (0, 1)), cv2.INTER_LINEAR
            )
            rgb = colours[:, 0].astype(float)
            white = np.maximum(np.median(rgb[seen], axis=0), 1.0)  # as bright as the light and the exposure make it
            away = np.linalg.norm(255.0 * (rgb / white - 1.0), axis=1)  # grows evenly with the ink, as colours mix
            self._ink[seen] = np.where(away > FAINT, away, 0.0)[seen]
        known = float(np.isfinite(self._ink).mean())
        if known < MIN_SEEN_SHARE:
            return Judgement(None, f"cannot see the board: {100 * known:.0f} % of it was ever in view")
        left = float(np.nansum(self._ink))
        if self._first is None:
            self._first = left
        share = left / self._first if self._first > 0 else 0.0
        return Judgement(share, f"{100 * share:.1f} % of the ink left")


def _bare(sight: Sight, cells: np.ndarray) -> np.ndarray:
    """(N,) bool: cells on the board with nothing upon them or close by: what lies on a board shows its sides, which are as low as the
    board is and of another colour. Nothing is said of pixels without depth and those beside them."""
    pixels, z = sight.project(cells)
    height, width = sight.frame.depth.shape
    inside = (z > 0) & (pixels > 1).all(axis=1) & (pixels[:, 0] < width - 2) & (pixels[:, 1] < height - 2)
    above = np.where(sight.valid, sight.points[..., 2] - cells[0, 2], -np.inf)
    tall = above > TOLERANCE_M + GROWTH * np.square(sight.frame.depth / 1000.0)
    reach = int(np.ceil(BESIDE_M * sight.frame.intrinsics[0, 0] / np.median(z)))  # pixels
    near = cv2.dilate(tall.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1)))
    near |= cv2.dilate((~sight.valid).astype(np.uint8), np.ones((3, 3)))
    u, v = np.rint(pixels[inside]).astype(int).T
    found = inside.copy()
    found[inside] = near[v, u] == 0
    return found
