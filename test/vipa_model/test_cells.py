"""Which image tokens show a point: known cells by hand, and any point of a depth image against its own pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipa_model.data.cells import NEAR, seen_cells

K = np.array([[32.0, 0.0, 15.5], [0.0, 32.0, 15.5], [0.0, 0.0, 1.0]])
AHEAD = np.eye(4)  # a camera in the base frame's origin that looks along z


def cells(points, depth=1000, k=K, pose=AHEAD, side=4):
    """Of one picture of 32 x 32 whose depth is the same everywhere, mm: numbers of the cells that show each point."""
    far = np.full((1, 1, 32, 32), depth, np.uint16)
    seen = seen_cells(np.array([points], float), far, k[None, None], np.asarray(pose)[None, None], side)
    assert seen.shape == (1, len(points), side**2)
    return [np.flatnonzero(row).tolist() for row in seen[0]]


def test_a_point_is_in_the_cell_of_its_pixel():
    assert cells([[0.0, 0.0, 1.0], [-0.45, -0.45, 1.0], [0.45, -0.45, 1.0], [-0.45, 0.45, 1.0]]) == [
        [10],
        [0],
        [3],
        [12],
    ]


@pytest.mark.parametrize("point", [[0.6, 0, 1], [0, -0.6, 1], [0, 0, -1], [0, 0, 0], [np.nan, 0, 1]])
def test_outside_the_picture_behind_the_camera_or_nowhere_is_unseen(point):
    assert cells([point]) == [[]]


def test_what_stands_before_it_hides_a_point_and_missing_depth_hides_none():
    behind = [0.0, 0.0, 1.0 + NEAR + 0.01]
    assert cells([behind]) == [[]]
    assert cells([behind], depth=0) == [[10]]
    assert cells([[0.0, 0.0, 1.0 + NEAR - 0.01]]) == [[10]]  # within its thing, whose front the camera measures


def test_a_camera_elsewhere_shows_it_elsewhere():
    pose = AHEAD.copy()
    pose[0, 3] = 0.3
    assert cells([[0.0, 0.0, 1.0]], pose=pose) == [[8]]


@given(st.integers(0, 31), st.integers(0, 31), st.floats(0.2, 5.0), st.sampled_from([1, 2, 4, 8]))
def test_a_pixel_s_own_point_is_in_its_cell(x, y, far, side):
    point = far * np.linalg.inv(K) @ [x, y, 1]
    assert cells([point], depth=round(1000 * far), side=side) == [[y * side // 32 * side + x * side // 32]]
