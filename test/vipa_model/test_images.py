"""Crops keep intrinsics true; depth lifts to the points that were rendered."""

import numpy as np
import pytest

from helpers.synthetic_frames import look_at, render
from vipa_model.processing.images import Crop, lift_depth, make_view


def test_view_sees_the_same_points():
    pose, ball = look_at(np.array([1.1, 0.3, 0.6]), np.array([0.5, 0, 0])), np.array([0.5, 0.05, 0.04])
    k = np.array([[300.0, 0, 159.5], [0, 300, 119.5], [0, 0, 1]])
    image, depth = render(pose, np.diag([1.0, 1, 1]) @ k, 320, ball)
    view, small, k2 = make_view(image, depth, k, 64, Crop(0.25, 0.2, 0.75, 0.7))
    assert view.shape == (64, 64, 3) and small.shape == (64, 64)
    points = lift_depth(small, k2, pose)
    valid = points[..., 3] > 0
    on_table = np.abs(points[..., 2]) < 0.004
    on_ball = np.abs(np.linalg.norm(points[..., :3] - ball, axis=-1) - 0.04) < 0.006
    assert valid.mean() > 0.9 and on_ball.sum() > 20
    assert (on_table | on_ball)[valid].mean() > 0.98


def test_stride_and_missing():
    depth = np.full((2, 16, 16), 500, np.uint16)
    depth[1] = 0
    k, pose = np.broadcast_to(np.diag([16.0, 16, 1]), (2, 3, 3)), np.broadcast_to(np.eye(4), (2, 4, 4)).copy()
    points = lift_depth(depth, k, pose, 4)
    assert points.shape == (2, 4, 4, 4) and points.dtype == np.float32
    np.testing.assert_allclose(points[0, 1, 2], [10 / 16 * 0.5, 6 / 16 * 0.5, 0.5, 1])
    assert not points[1].any()
    pose[0, 0, 0] = np.nan
    assert not lift_depth(depth, k, pose, 4).any()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="uint8 RGB"):
        make_view(np.zeros((4, 4, 3)), None, np.eye(3), 8)
    with pytest.raises(ValueError, match="aligned"):
        make_view(np.zeros((4, 4, 3), np.uint8), np.zeros((3, 3), np.uint16), np.eye(3), 8)
    with pytest.raises(ValueError, match="crop"):
        Crop(0.5, 0, 0.4, 1)
