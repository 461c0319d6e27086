"""Corners of a board where they truly are: its picture, seen by a pinhole at known poses."""

import cv2
import numpy as np
import pytest

from vipa.calibration.board import Board, Finder

PER_METRE = 8000.0  # pixels of the board's own picture
MARGIN = 80  # of them, white
FINER = 4  # times as fine is what the pinhole sees, before its pixels average it
K = np.array([[330.0, 0.0, 319.5], [0.0, 330.0, 239.5], [0.0, 0.0, 1.0]])


def seen(board: Board, rng: np.random.Generator, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """The picture (480, 640) uint8 from `distance` metres, tilted by up to 35 degrees, and its corners (N, 2), pixels."""
    turn = rng.normal(0, 1, 3)
    rotation = cv2.Rodrigues(turn / np.linalg.norm(turn) * np.radians(rng.uniform(5, 35)))[0]
    to_pixels = K @ np.column_stack([rotation[:, :2], [*rng.uniform(-0.03, 0.03, 2), distance]])
    to_metres = np.diag([1 / PER_METRE, 1 / PER_METRE, 1.0])
    to_metres[:2, 2] = (0.5 - MARGIN) / PER_METRE - np.array(board.size) / 2
    finer = np.array([[FINER, 0, (FINER - 1) / 2], [0, FINER, (FINER - 1) / 2], [0, 0, 1.0]])
    printed = np.pad(board.picture(PER_METRE), MARGIN, constant_values=255)
    sharp = cv2.warpPerspective(printed, finer @ to_pixels @ to_metres, (640 * FINER, 480 * FINER), borderValue=150)
    picture = cv2.GaussianBlur(cv2.resize(sharp, (640, 480), interpolation=cv2.INTER_AREA), (0, 0), 0.5)
    true = np.column_stack([board.points[:, :2], np.ones(len(board.points))]) @ to_pixels.T
    return np.clip(picture + rng.normal(0, 1.5, picture.shape), 0, 255).astype(np.uint8), true[:, :2] / true[:, 2:]


@pytest.fixture(params=["as installed", "before 4.7"])
def opencv(request, monkeypatch):
    """Ubuntu 24.04 has OpenCV 4.6, whose aruco has no CharucoDetector."""
    if request.param == "before 4.7":
        monkeypatch.delattr(cv2.aruco, "CharucoDetector", raising=False)


@pytest.mark.parametrize("board", [Board(), Board(6, 4, 0.045, 0.034)], ids=["odd rows", "even rows"])
def test_the_board_is_the_same_print_and_the_same_corners_without_charuco_detector(board, monkeypatch):
    picture, _ = seen(board, np.random.default_rng(1), 0.5)
    points, printed, found = board.points, board.picture(4000), Finder(board).find(picture)
    monkeypatch.delattr(cv2.aruco, "CharucoDetector", raising=False)
    assert np.allclose(board.points, points)
    assert np.mean(board.picture(4000) != printed) < 0.01  # a pixel along edges
    old = Finder(board).find(picture)
    assert list(old.ids) == list(found.ids)
    assert np.abs(old.corners - found.corners).max() < 0.05


def test_a_board_that_is_hidden_in_part_or_another(opencv):
    board = Board()
    picture, true = seen(board, np.random.default_rng(2), 0.4)
    half = picture.copy()
    half[:, : int(np.median(true[:, 0]))] = 128
    found = Finder(board).find(half)
    assert 0 < len(found.ids) < len(true)
    assert np.linalg.norm(found.corners - true[found.ids], axis=1).max() < 0.5
    assert "no marker of the board" in Finder(board).find(np.full((480, 640), 128, np.uint8))
    assert "no marker of the board" in Finder(Board(dictionary="DICT_APRILTAG_36h11")).find(picture)


def test_no_edge_of_a_marker_pulls_a_corner(opencv):
    board, rng = Board(), np.random.default_rng(0)
    for distance in np.linspace(0.3, 0.55, 16):
        picture, true = seen(board, rng, distance)
        found = Finder(board).find(picture)
        assert not isinstance(found, str), found
        off = np.linalg.norm(found.corners - true[found.ids], axis=1)
        assert np.sqrt(np.mean(off**2)) < 0.12 and off.max() < 0.3, (distance, off.max())
