"""The ink that is left on a board, from pictures of which every pixel is known."""

import cv2
import numpy as np
import pytest

from vipa.robot.state import CameraFrame
from vipa.vision.ink import Board, InkWatch
from vipa.vision.sight import Sight

SIZE, HEIGHT = (320, 240), 1.0  # pixels; metres of the camera above the board
K = np.array([[400.0, 0, 159.5], [0, 400.0, 119.5], [0, 0, 1]])
BOARD = Board([0.0, 0.0, 0.0], [0.36, 0.26])
EXTRINSICS = np.array([[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, HEIGHT], [0, 0, 0, 1]])  # straight down


def seen(ink, colour=(20, 20, 160), hidden=None, shade=1.0, noise=0.0, seed=0) -> Sight:
    """ink: (240, 320) 0..1. hidden: slice of the picture's columns that something 0.2 m over the board hides."""
    board = np.full((*SIZE[::-1], 3), 240.0)
    color = board + ink[..., None] * (np.array(colour) - board)
    depth = np.full(SIZE[::-1], 1000 * HEIGHT)
    if hidden is not None:
        color[:, hidden], depth[:, hidden] = (60, 60, 60), 800
    color = color * shade + noise * np.random.default_rng(seed).standard_normal(color.shape)
    return Sight(
        CameraFrame("scene", 1, np.clip(color, 0, 255).astype(np.uint8), depth.astype(np.uint16), K, EXTRINSICS)
    )


def scribble(seed) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.zeros(SIZE[::-1], np.float32)
    for _ in range(4):
        points = rng.uniform([100, 80], [220, 160], (5, 2)).astype(np.int32)
        cv2.polylines(image, [points], False, 1.0, 2, cv2.LINE_AA)
    return image


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("colour", [(20, 20, 25), (30, 40, 150), (200, 20, 30), (15, 115, 50)])
def test_the_share_that_is_left_is_seen_over_random_scribbles(colour, noise):
    off = []
    for seed in range(25):
        watch, ink = InkWatch(BOARD), scribble(seed)
        assert watch.look(seen(ink, colour, noise=noise, seed=seed)).value == 1.0
        left = ink.copy()
        left[:, : np.random.default_rng(seed).integers(100, 220)] = 0.0
        share = watch.look(seen(left, colour, shade=0.93, noise=noise, seed=seed + 100)).value
        off.append(share - left.sum() / ink.sum())
    assert np.abs(off).max() < 0.01


def test_a_clean_board_is_clean_and_ink_does_not_come_back_from_shading():
    watch, ink = InkWatch(BOARD), scribble(0)
    watch.look(seen(ink))
    assert watch.look(seen(0 * ink, shade=0.85, noise=3.0)).value < 0.01


def test_what_is_hidden_counts_as_it_was_seen_last_and_what_was_never_seen_is_not_known():
    ink = scribble(1)
    watch = InkWatch(BOARD)
    unknown = watch.look(seen(ink, hidden=slice(100, 150)))
    assert unknown.value is None and unknown.words.startswith("cannot see the board: ")
    assert watch.look(seen(ink)).value == 1.0
    wiped = ink.copy()
    wiped[:, 100:150] = 0.0
    assert watch.look(seen(wiped, hidden=slice(98, 152))).value == pytest.approx(1.0, abs=0.01)  # under the hand
    assert watch.look(seen(wiped)).value == pytest.approx(wiped.sum() / ink.sum(), abs=0.03)


def test_a_board_that_is_out_of_the_picture_is_not_seen():
    assert InkWatch(Board([2.0, 0.0, 0.0], [0.36, 0.26])).look(seen(scribble(0))).value is None
