"""The ChArUco board that cameras are calibrated with: its picture for the printer, and where its corners are in a camera's pictures."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np

from vipa.calibration import charuco
from vipa.config import Range
from vipa.errors import VipaError, unknown

DICTIONARIES = ("DICT_4X4_100", "DICT_5X5_100", "DICT_5X5_1000", "DICT_6X6_250", "DICT_APRILTAG_36h11")
MIN_CORNERS = 8  # of a picture: fewer say too little of a pose
BLUR = 4.5  # pixels from black to white, beyond which a picture is blurred: a sharp edge has 2, one under a Gaussian s has 2.5 s
CONTRAST = 40.0  # grey levels between the board's black and white, at least
INCH = 0.0254
WINDOW = (2, 5)  # pixels about a corner that say where it lies, at least and at most
PAPER_DPI = 300


@dataclass(frozen=True)
class Board:
    """A ChArUco board. columns, rows: squares. square, marker: edges, metres: measure them with a ruler on the print. dictionary:
    OpenCV's name of the markers' dictionary.

    The board's frame: origin in the middle of the board, x along the columns, y along the rows downwards, z away from who looks at it.
    """

    columns: Annotated[int, Range(3, 40)] = 7
    rows: Annotated[int, Range(3, 40)] = 5
    square: Annotated[float, Range(above=0.001, high=1)] = 0.03
    marker: Annotated[float, Range(above=0.001, high=1)] = 0.022
    dictionary: str = "DICT_4X4_100"

    def __post_init__(self):
        if self.dictionary not in DICTIONARIES:
            raise ValueError(str(unknown("dictionary of the board", self.dictionary, DICTIONARIES)))
        if not self.marker < self.square:
            raise ValueError(f"board: marker {self.marker:g} m; allowed: less than the square, {self.square:g} m")

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of all squares, metres."""
        return self.columns * self.square, self.rows * self.square

    @property
    def points(self) -> np.ndarray:
        """(N, 3) metres: the inner corners in the board's frame, by their numbers."""
        corners = np.asarray(self._board().getChessboardCorners(), float)
        return corners - [self.size[0] / 2, self.size[1] / 2, 0.0]

    def picture(self, pixels_per_metre: float) -> np.ndarray:
        """(H, W) uint8 of all squares without a margin."""
        width, height = (round(edge * pixels_per_metre) for edge in self.size)
        return self._board().generateImage((width, height), marginSize=0, borderBits=1)

    def _board(self):
        if not hasattr(cv2, "aruco"):
            raise VipaError(
                f"OpenCV {cv2.__version__} has no aruco; wanted: OpenCV 4.7 or later, or an older one with its contrib modules"
            )
        dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))
        made = cv2.aruco.CharucoBoard if _modern() else charuco.CharucoBoard
        return made((self.columns, self.rows), self.square, self.marker, dictionary)


@dataclass(frozen=True)
class Sighting:
    """The board in one picture. ids (n,): numbers of its corners; corners (n, 2): pixels, integer at pixel centres. size: (width, height)
    of the picture."""

    ids: np.ndarray
    corners: np.ndarray
    size: tuple[int, int]


def _modern() -> bool:
    return hasattr(cv2.aruco, "CharucoDetector")


class Finder:
    """Finds `board` in pictures. One thread."""

    def __init__(self, board: Board):
        self.board = board
        made = board._board()
        if _modern():
            detector = cv2.aruco.DetectorParameters()
            detector.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
            self._detector = cv2.aruco.CharucoDetector(made, cv2.aruco.CharucoParameters(), detector)
        else:
            self._detector = charuco.CharucoDetector(made)

    def find(self, picture: np.ndarray) -> Sighting | str:
        """The board in `picture` (H, W, 3) uint8 RGB or (H, W), or in one line why it is of no use."""
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
        corners, ids, _, mark_ids = self._detector.detectBoard(grey)
        count = 0 if ids is None else len(ids)
        if count < MIN_CORNERS:
            return self._too_few(count, 0 if mark_ids is None else len(mark_ids), grey)
        ids, corners = np.asarray(ids).ravel(), np.asarray(corners, np.float64).reshape(-1, 2)
        axes = self._axes(corners, ids)
        if why := self._unsharp(grey, corners, axes):
            return why
        return Sighting(ids, self._refined(grey, corners, axes), (grey.shape[1], grey.shape[0]))

    def _refined(self, grey: np.ndarray, corners: np.ndarray, axes: np.ndarray) -> np.ndarray:
        """(n, 2): each corner by a window that no marker's edge lies in: OpenCV's own may hold one, which pulls the corner."""
        gap = (self.board.square - self.board.marker) / 2 * np.linalg.svd(axes, compute_uv=False)[-1]
        half = int(np.clip(gap, *WINDOW))
        until = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-3)
        found = np.ascontiguousarray(corners, np.float32).reshape(-1, 1, 2)
        return cv2.cornerSubPix(grey, found, (half, half), (-1, -1), until).reshape(-1, 2).astype(float)

    def _axes(self, corners: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """(2, 2) pixels a metre along the board's x and y."""
        points = self.board.points[ids][:, :2]
        return np.linalg.lstsq(points - points.mean(axis=0), corners - corners.mean(axis=0), rcond=None)[0]

    def _too_few(self, corners: int, marks: int, grey: np.ndarray) -> str:
        b = self.board
        what = f"{b.columns}x{b.rows} squares, {b.dictionary}"
        if not marks:
            return f"no marker of the board ({what}) is seen"
        if not corners:
            return f"{marks} markers and no corner between them: is the board {what}?"
        return f"only {corners} corners of the board are seen; wanted: {MIN_CORNERS}"

    def _unsharp(self, grey: np.ndarray, corners: np.ndarray, axes: np.ndarray) -> str:
        """'' or that edges are wide: out of focus, or moved while it was exposed. Looked at along both axes of the board."""
        low, high = corners.min(axis=0).astype(int), corners.max(axis=0).astype(int) + 1
        part = grey[max(low[1], 0) : high[1], max(low[0], 0) : high[0]].astype(np.float32)
        if min(part.shape) < 8:
            return "the board is seen too small"
        dark, bright = np.percentile(part, (10, 90))
        if bright - dark < CONTRAST:
            return f"the board has {bright - dark:.0f} grey levels between black and white; allowed: {CONTRAST:.0f} or more"
        row, column = np.gradient(part)
        widths = []
        for axis in axes:
            unit = axis / max(np.linalg.norm(axis), 1e-9)
            steepest = np.percentile(np.abs(column * unit[0] + row * unit[1]), 99.5)
            widths.append((bright - dark) / max(float(steepest), 1e-6))
        width = max(widths)
        return f"blurred: {width:.1f} pixels from black to white; allowed: {BLUR:g}" if width > BLUR else ""
