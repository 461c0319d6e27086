"""Where in pictures a point is seen: known pixels by hand, and any point of a depth image against its own pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipa_model.data.sights import NEAR, sights

K = np.array([[32.0, 0.0, 15.5], [0.0, 32.0, 15.5], [0.0, 0.0, 1.0]])
AHEAD = np.eye(4)  # a camera in the base frame's origin that looks along z
NOWHERE = [np.nan, np.nan]


def seen(points, depth=1000, k=K, pose=AHEAD):
    """Of one picture of 32 x 32 whose depth is the same everywhere, mm: where each point is seen."""
    far = np.full((1, 1, 32, 32), depth, np.uint16)
    found = sights(np.array([points], float), far, k[None, None], np.asarray(pose)[None, None])
    assert found.shape == (1, len(points), 1, 2)
    return found[0, :, 0]


def test_a_point_is_seen_at_its_pixel():
    at = [[0.0, 0.0, 1.0], [-0.45, -0.45, 1.0], [0.45, -0.45, 1.0], [-0.45, 0.45, 1.0]]
    np.testing.assert_allclose(seen(at), [[16, 16], [1.6, 1.6], [30.4, 1.6], [1.6, 30.4]], atol=1e-5)


@pytest.mark.parametrize("point", [[0.6, 0, 1], [0, -0.6, 1], [0, 0, -1], [0, 0, 0], [np.nan, 0, 1]])
def test_outside_the_picture_behind_the_camera_or_nowhere_is_unseen(point):
    np.testing.assert_equal(seen([point]), [NOWHERE])


def test_what_stands_before_it_hides_a_point_and_missing_depth_hides_none():
    behind = [0.0, 0.0, 1.0 + NEAR + 0.01]
    np.testing.assert_equal(seen([behind]), [NOWHERE])
    assert np.isfinite(seen([behind], depth=0)).all()
    assert np.isfinite(seen([[0.0, 0.0, 1.0 + NEAR - 0.01]])).all()  # within its thing, whose front the camera measures


def test_a_camera_elsewhere_sees_it_elsewhere():
    pose = AHEAD.copy()
    pose[0, 3] = 0.3
    np.testing.assert_allclose(seen([[0.0, 0.0, 1.0]], pose=pose), [[6.4, 16]], atol=1e-5)


@given(st.integers(0, 31), st.integers(0, 31), st.floats(0.2, 5.0))
def test_a_pixel_s_own_point_is_seen_in_its_middle(x, y, far):
    point = far * np.linalg.inv(K) @ [x, y, 1]
    np.testing.assert_allclose(seen([point], depth=round(1000 * far)), [[x + 0.5, y + 0.5]], atol=1e-4)
