"""Supplement C: bounds, clipping, half a bin, triplet order; and the small text tokenizer."""

import numpy as np
import pytest

from vipa_model.processing.motion_tokens import MotionTokenizer
from vipa_model.processing.tokenization_vipa import ByteTokenizer

MOTION = MotionTokenizer(first=1000)


def test_round_trip_is_within_half_a_bin():
    points = np.random.default_rng(0).uniform([-0.5, -0.5, 0], [0.5, 0.5, 1], (500, 3))
    assert np.abs(MOTION.decode(MOTION.encode(points)) - points).max() <= 0.5 / 1024 + 1e-12


def test_bounds_and_clipping():
    low, high = MOTION.encode([[-0.5, -0.5, 0.0]]), MOTION.encode([[0.5, 0.5, 1.0]])
    assert low.tolist() == [1000, 2024, 3048]
    assert high.tolist() == [2023, 3047, 4071]
    np.testing.assert_array_equal(MOTION.encode([[-9, -9, -9]]), low)
    np.testing.assert_array_equal(MOTION.encode([[9, 9, 9]]), high)


def test_triplets_follow_one_another():
    ids = MOTION.encode([[-0.5, 0, 0.5], [0.5, 0, 0.5]])
    assert ids.tolist() == [1000, 2024 + 512, 3048 + 512, 2023, 2024 + 512, 3048 + 512]


def test_errors_name_the_token():
    with pytest.raises(ValueError, match="triplets"):
        MOTION.decode([1000, 2024])
    with pytest.raises(ValueError, match="axis y; allowed: 2024 to 3047"):
        MOTION.decode([1000, 1000, 3048])
    with pytest.raises(ValueError, match="finite"):
        MOTION.encode([[np.nan, 0, 0]])
    assert len(MOTION.words()) == MOTION.size == 3072


def test_byte_tokenizer_learns_and_takes_any_text():
    tokenizer = ByteTokenizer.train(["water the plant", "wipe the board"], 300)
    assert len(tokenizer.encode("water the plant")) <= 2
    for text in ("water the plant", "gieße die Blume", ""):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert ByteTokenizer(tokenizer.merges).encode("wipe it") == tokenizer.encode("wipe it")
