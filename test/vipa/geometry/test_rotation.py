"""Rotations and poses, one at a time, are scipy's to a dozen digits."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vipa.geometry import poses, rotation


def same(quaternion, expected: Rotation):
    """q and -q are one rotation."""
    wanted = expected.as_quat()
    assert min(np.abs(quaternion - wanted).max(), np.abs(quaternion + wanted).max()) < 1e-12


@pytest.fixture(params=range(20))
def drawn(request):
    """Two poses (7,) with their scipy rotations, and points (5, 3)."""
    rng = np.random.default_rng(request.param)
    turns = [Rotation.random(random_state=rng) for _ in range(2)]
    return [poses.pose(rng.normal(size=3), turn.as_quat()) for turn in turns], turns, rng.normal(size=(5, 3))


def test_rotations_are_scipys(drawn):
    (a, b), (turn, other), points = drawn
    same(rotation.multiply(a[3:], b[3:]), turn * other)
    same(rotation.conjugate(a[3:]), turn.inv())
    same(rotation.exp(points[0]), Rotation.from_rotvec(points[0]))
    same(rotation.from_rpy(points[1]), Rotation.from_euler("xyz", points[1]))
    same(rotation.from_matrix(turn.as_matrix()), turn)
    np.testing.assert_allclose(rotation.rotate(a[3:], points[0]), turn.apply(points[0]), atol=1e-12)
    np.testing.assert_allclose(rotation.to_matrix(a[3:]), turn.as_matrix(), atol=1e-12)
    np.testing.assert_allclose(rotation.log(a[3:]), turn.as_rotvec(), atol=1e-9)
    np.testing.assert_allclose(rotation.difference(a[3:], b[3:]), (turn * other.inv()).as_rotvec(), atol=1e-9)


def test_poses_are_scipys(drawn):
    (a, b), (turn, other), points = drawn
    made, back = poses.compose(a, b), poses.inverse(a)
    np.testing.assert_allclose(made[:3], a[:3] + turn.apply(b[:3]), atol=1e-12)
    same(made[3:], turn * other)
    np.testing.assert_allclose(poses.compose(back, a)[:3], 0.0, atol=1e-12)
    same(back[3:], turn.inv())
    for some in (points, points[0]):
        np.testing.assert_allclose(poses.directions(a, some), turn.apply(some), atol=1e-12)
        np.testing.assert_allclose(poses.transform(a, some), turn.apply(some) + a[:3], atol=1e-12)

    way = poses.difference(a, b)
    np.testing.assert_allclose(way, [*(a[:3] - b[:3]), *(turn * other.inv()).as_rotvec()], atol=1e-9)
    led = poses.moved(b, way)
    np.testing.assert_allclose(led[:3], a[:3], atol=1e-12)
    same(led[3:], turn)

    assert poses.angle_between(a, b) == pytest.approx((turn.inv() * other).magnitude(), abs=1e-9)


def test_a_quaternion_that_is_not_of_norm_one_is_made_so(drawn):
    (a, b), (turn, other), points = drawn
    long = a * [1, 1, 1, 3, 3, 3, 3]
    same(poses.compose(long, b)[3:], turn * other)
    np.testing.assert_allclose(poses.transform(long, points), turn.apply(points) + a[:3], atol=1e-12)


def test_a_quaternion_of_norm_nought_is_refused():
    nothing = np.zeros(7)
    for ask in (
        poses.inverse,
        lambda p: poses.compose(p, poses.IDENTITY),
        lambda p: poses.transform(p, np.zeros(3)),
        lambda p: poses.matrices(p[None]),
    ):
        with pytest.raises(ValueError, match="norm 0"):
            ask(nothing)
