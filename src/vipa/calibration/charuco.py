"""ChArUco boards for an OpenCV without CharucoDetector, such as Ubuntu 24.04's 4.6: the same board, found by its markers alone."""

import cv2
import numpy as np

BOTH = 2  # markers that touch an inner corner of the board: seen both, or it is not told


class CharucoBoard:
    """As cv2.aruco.CharucoBoard: white squares hold markers, the first square is black, numbers go by rows. The same print whatever
    OpenCV is installed: its own boards of an even number of rows changed with 4.7."""

    def __init__(self, size: tuple[int, int], square: float, marker: float, dictionary):
        self.size, self.square, self.marker, self.dictionary = size, square, marker, dictionary
        columns, rows = size
        self.white = [(x, y) for y in range(rows) for x in range(columns) if x % 2 != y % 2]

    def getChessboardCorners(self) -> np.ndarray:  # noqa: N802  OpenCV's name
        """(N, 3) metres from the board's upper left corner."""
        columns, rows = self.size
        return np.array([(x, y, 0.0) for y in range(1, rows) for x in range(1, columns)]) * self.square

    def generateImage(self, outSize: tuple[int, int], marginSize: int, borderBits: int) -> np.ndarray:  # noqa: N802, N803
        """(H, W) uint8 of (width, height) `outSize`; marginSize: 0 alone."""
        columns, rows = self.size
        x, y = (np.rint(np.linspace(0, edge, n + 1)).astype(int) for edge, n in zip(outSize, self.size, strict=True))
        made = np.full((outSize[1], outSize[0]), 255, np.uint8)
        draw = getattr(cv2.aruco, "generateImageMarker", None) or cv2.aruco.drawMarker
        for row in range(rows):
            for column in range(row % 2, columns, 2):
                made[y[row] : y[row + 1], x[column] : x[column + 1]] = 0
        edge = round(outSize[0] / columns * self.marker / self.square)
        for number, (column, row) in enumerate(self.white):
            left = round((x[column] + x[column + 1] - edge) / 2)
            top = round((y[row] + y[row + 1] - edge) / 2)
            made[top : top + edge, left : left + edge] = draw(self.dictionary, number, edge, borderBits=borderBits)
        return made

    def outline(self, number: int) -> np.ndarray:
        """(4, 2) metres: corners of a marker, clockwise from its upper left one."""
        column, row = self.white[number]
        gap = (self.square - self.marker) / 2
        corner = np.array([column, row]) * self.square + gap
        return corner + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * self.marker


class CharucoDetector:
    """As cv2.aruco.CharucoDetector of that board, but corners are where the markers' outlines put them, to be refined by whoever asks.

    The outlines themselves are not refined: before OpenCV 4.9 the window for it is 5 pixels wide whatever a marker measures, and a corner of
    a near marker is pulled to the corner of its square."""

    def __init__(self, board: CharucoBoard):
        self.board = board
        modern = hasattr(cv2.aruco, "ArucoDetector")
        parameters = cv2.aruco.DetectorParameters() if modern else cv2.aruco.DetectorParameters_create()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_NONE
        if modern:
            self._find = cv2.aruco.ArucoDetector(board.dictionary, parameters).detectMarkers
        else:
            self._find = lambda grey: cv2.aruco.detectMarkers(grey, board.dictionary, parameters=parameters)

    def detectBoard(self, grey: np.ndarray) -> tuple:  # noqa: N802
        """Corners (n, 1, 2) float32, their numbers (n, 1) or None; the markers' corners and numbers as detectMarkers has them."""
        corners, ids, _ = self._find(grey)
        seen = {
            int(number): np.asarray(outline, np.float32).reshape(4, 2)
            for number, outline in zip([] if ids is None else np.ravel(ids), corners, strict=True)
            if number < len(self.board.white)
        }
        told: dict[int, list] = {}
        for number, outline in seen.items():
            to_pixels = cv2.getPerspectiveTransform(self.board.outline(number).astype(np.float32), outline)
            for corner, place in self._beside(number):
                told.setdefault(corner, []).append(cv2.perspectiveTransform(place.reshape(1, 1, 2), to_pixels).ravel())
        whole = {c: np.mean(places, axis=0) for c, places in sorted(told.items()) if len(places) == BOTH}
        if not whole:
            return None, None, corners, ids
        found = np.array(list(whole.values()), np.float32).reshape(-1, 1, 2)
        return found, np.array(list(whole), np.int32).reshape(-1, 1), corners, ids

    def _beside(self, number: int):
        """The inner corners of the board that a marker's square has: their numbers, and where they are, (2,) metres."""
        columns, rows = self.board.size
        left, top = self.board.white[number]
        for x, y in ((left, top), (left + 1, top), (left + 1, top + 1), (left, top + 1)):
            if 0 < x < columns and 0 < y < rows:
                yield (y - 1) * (columns - 1) + x - 1, np.array([x, y], float) * self.board.square
