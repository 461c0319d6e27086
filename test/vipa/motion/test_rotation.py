"""Rotations against scipy's."""

import numpy as np
from scipy.spatial.transform import Rotation

from vipa.geometry import rotation


def test_all_functions_agree_with_scipy():
    random = np.random.default_rng(0)
    for _ in range(200):
        a, b = Rotation.random(random_state=random), Rotation.random(random_state=random)
        qa, qb = a.as_quat(), b.as_quat() * random.choice([1, -1])
        np.testing.assert_allclose(rotation.to_matrix(qa), a.as_matrix(), atol=1e-12)
        np.testing.assert_allclose(rotation.to_matrix(rotation.from_matrix(a.as_matrix())), a.as_matrix(), atol=1e-12)
        np.testing.assert_allclose(rotation.to_matrix(rotation.multiply(qa, qb)), (a * b).as_matrix(), atol=1e-12)
        np.testing.assert_allclose(rotation.log(qa), a.as_rotvec(), atol=1e-9)
        np.testing.assert_allclose(rotation.to_matrix(rotation.exp(a.as_rotvec())), a.as_matrix(), atol=1e-12)
        np.testing.assert_allclose(rotation.difference(qa, qb), (a * b.inv()).as_rotvec(), atol=1e-9)


def test_small_and_half_turns():
    for vector in (np.zeros(3), np.array([1e-12, 0, 0]), np.array([0, 1e-6, 1e-6]), np.array([np.pi - 1e-9, 0, 0])):
        np.testing.assert_allclose(rotation.log(rotation.exp(vector)), vector, atol=1e-12)
    for axis in np.eye(3):
        turn = Rotation.from_rotvec(np.pi * axis)
        np.testing.assert_allclose(
            rotation.to_matrix(rotation.from_matrix(turn.as_matrix())), turn.as_matrix(), atol=1e-12
        )
    assert rotation.difference(np.array([0, 0, 0, 1.0]), np.array([0, 0, 0, -1.0])).max() == 0
