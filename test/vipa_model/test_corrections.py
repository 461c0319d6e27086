"""Frames in which an arm near its target is told to move aside, to turn or to move its hand are drawn more often where the recipe says so."""

import numpy as np
import pytest

pytest.importorskip("torch")
from helpers.synthetic_frames import make_store
from helpers.tiny_model import tiny_config
from vipa_model.data.corrections import ASIDE_M, HAND, NEAR_M, TURN_RAD, corrections
from vipa_model.data.frame_source import prepare_frames
from vipa_model.recipes import named_recipe

DOWN = [1.0, 0.0, 0.0, 0.0]  # the tool's z axis points at the table


def asked(*, aside=0.0, along=0.0, turn=0.0, hand=0.0, away=0.2, target=True):
    """What `corrections` says of a tool over its target, told to move and turn, and to close its open hand, by the end of its chunk."""
    actions = np.zeros((1, 4, 10), np.float32)
    actions[0, -1, :3] = aside, 0.0, -along
    actions[0, :, 3], actions[0, :, 7] = np.cos(turn), np.cos(turn)
    actions[0, :, 4], actions[0, :, 6] = np.sin(turn), -np.sin(turn)
    actions[..., 9] = 1.0 - hand
    tool = np.array([[0.5, 0.0, away, *DOWN]])
    return bool(corrections(actions, np.ones((1, 1)), tool, np.array([[0.5, 0.0, 0.0 if target else np.nan]]))[0])


def test_small_ways_aside_turns_and_a_closing_hand_near_the_target_are_corrections():
    assert asked(hand=2 * HAND) and not asked(hand=HAND / 2)
    assert asked(aside=2 * ASIDE_M[0]) and asked(turn=2 * TURN_RAD) and asked(aside=0.02, along=0.2)
    assert not asked() and not asked(along=0.2) and not asked(aside=ASIDE_M[0] / 2) and not asked(turn=TURN_RAD / 2)


def test_ways_far_off_and_without_a_target_are_none():
    assert (
        not asked(aside=0.02, away=NEAR_M + 0.01)
        and not asked(aside=2 * ASIDE_M[1])
        and not asked(aside=0.02, target=False)
    )


def test_they_are_drawn_as_often_as_the_recipe_says(tmp_path):
    store = make_store(tmp_path, 4, size=32)
    once, often = (
        prepare_frames([store], named_recipe("small").changed(held_out=0.25, corrections=n), tiny_config())[2]
        for n in (1, 5)
    )
    found = once.dataset.corrections(once.train)
    assert 0 < found.sum() < len(found) and len(np.unique(once.train)) == len(once.train)
    frames, counts = np.unique(often.train, return_counts=True)
    assert (frames == once.train).all() and (counts == np.where(found, 5, 1)).all()
    assert (often.held_out == once.held_out).all()


def test_never_is_refused(tmp_path):
    with pytest.raises(ValueError, match="corrections is 0; allowed: 1"):
        prepare_frames([make_store(tmp_path, 2, size=32)], named_recipe("small").changed(corrections=0), tiny_config())
