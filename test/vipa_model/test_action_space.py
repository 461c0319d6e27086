"""Poses to actions and back; rotations; normalisation."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vipa_model.configuration_vipa import GroupConfig, VipaConfig
from vipa_model.processing.action_space import decode_actions, encode_actions
from vipa_model.processing.normalisation import Statistics
from vipa_model.processing.processing_vipa import VipaProcessor
from vipa_model.processing.rotations import matrix_to_quat, quat_to_matrix, six_to_matrix
from vipa_model.processing.tokenization_vipa import ByteTokenizer


def poses(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(size=(count, 3)), Rotation.random(count, random_state=seed).as_quat()], 1)


def same(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a[..., :3], b[..., :3], atol=1e-12)
    np.testing.assert_allclose(np.abs((a[..., 3:] * b[..., 3:]).sum(-1)), 1, atol=1e-12)


def test_rotations_agree_with_scipy():
    quat = poses(200)[:, 3:]
    np.testing.assert_allclose(quat_to_matrix(quat), Rotation.from_quat(quat).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(np.abs((matrix_to_quat(quat_to_matrix(quat)) * quat).sum(-1)), 1, atol=1e-12)


def test_half_turns_survive():
    for axis in np.eye(3):
        quat = np.append(axis, 0.0)
        np.testing.assert_allclose(np.abs(matrix_to_quat(quat_to_matrix(quat)) @ quat), 1, atol=1e-12)


def test_any_six_numbers_are_a_rotation():
    six = np.concatenate([np.random.default_rng(0).normal(size=(50, 6)), np.zeros((1, 6)), [[0, 0, 1, 0, 0, 2]]])
    matrix = six_to_matrix(six)
    np.testing.assert_allclose(
        matrix @ np.swapaxes(matrix, -1, -2), np.broadcast_to(np.eye(3), matrix.shape), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(matrix), 1, atol=1e-9)


def test_round_trip_is_exact():
    target, hand, reference = poses(20), np.random.default_rng(1).random((20, 6)), poses(1, 3)[0]
    back, opening = decode_actions(encode_actions(target, hand, reference), reference)
    same(back, target)
    np.testing.assert_allclose(opening, hand)


def test_reference_is_the_origin():
    reference = poses(1)[0]
    action = encode_actions(reference[None], np.array([[0.5]]), reference)[0]
    np.testing.assert_allclose(action, [0, 0, 0, 1, 0, 0, 0, 1, 0, 0.5], atol=1e-12)


def test_translation_is_in_the_base_frame():
    reference = poses(1)[0]
    moved = reference.copy()
    moved[2] += 0.1
    np.testing.assert_allclose(encode_actions(moved[None], np.zeros((1, 1)), reference)[0, :3], [0, 0, 0.1], atol=1e-12)


def test_two_arms_lie_side_by_side():
    config = VipaConfig.xs(groups=[GroupConfig("left", 1), GroupConfig("right", 6)])
    processor = VipaProcessor(config, ByteTokenizer())
    rng = np.random.default_rng(0)
    processor.fit(rng.normal(size=(30, 16, 25)), rng.normal(size=(30, config.state_dim)))
    by_pose = {"left": poses(16), "right": poses(16, 1)}
    by_hand = {"left": rng.random((16, 1)), "right": rng.random((16, 6))}
    reference = {"left": poses(1, 5)[0], "right": poses(1, 6)[0]}
    actions = processor.encode_actions(by_pose, by_hand, reference)
    assert actions.shape == (16, config.action_dim) == (16, 25)
    back, hand = processor.decode_actions(actions, reference)
    for name in by_pose:
        same(back[name], by_pose[name])
        np.testing.assert_allclose(hand[name], by_hand[name], atol=1e-12)


def test_bad_quaternion_and_shape_are_named():
    with pytest.raises(ValueError, match="no direction"):
        encode_actions(np.zeros((1, 7)), np.zeros((1, 1)), poses(1)[0])
    with pytest.raises(ValueError, match="reference has shape"):
        encode_actions(poses(1), np.zeros((1, 1)), np.zeros(6))


@pytest.mark.parametrize("kind", ["meanstd", "quantile"])
def test_statistics(kind):
    samples = np.random.default_rng(0).normal(3, [2.0, 0.0], (500, 2))
    statistics = Statistics.fit(samples, np.array([0.1, 0.1]), kind)
    assert statistics.scale[1] == 0.1
    np.testing.assert_allclose(statistics.denormalise(statistics.normalise(samples)), samples)
    again = Statistics.from_dict(statistics.to_dict())
    np.testing.assert_array_equal(again.offset, statistics.offset)
    with pytest.raises(ValueError, match="allowed"):
        Statistics.fit(samples, np.ones(2), "minmax")
