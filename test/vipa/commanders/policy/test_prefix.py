"""What is committed, on the new chunk's grid."""

import numpy as np
import pytest

from vipa.commanders.policy.prefix import Departure, committed_prefix
from vipa.motion.chunk import ActionChunk, GroupAction

S = 1_000_000_000


def chunk(start_s, xs, dt=0.1, hand=None):
    poses = np.zeros((len(xs), 7))
    poses[:, 0], poses[:, 6] = xs, 1.0
    hand = None if hand is None else np.array(hand, float)[:, None]
    return ActionChunk("policy", 1, 1, 0, round(start_s * S), dt, (GroupAction("arm", poses=poses, hand=hand),))


def test_steps_inside_what_is_committed_are_known_and_no_others():
    committed, last = chunk(1.0, [0.0, 0.1, 0.2]), chunk(0.9, np.zeros(8), hand=np.linspace(1, 0.3, 8))
    prefix = committed_prefix(committed, last, round(1.05 * S), 0.1)["arm"]
    np.testing.assert_allclose(prefix["poses"][:, 0], [0.05, 0.15], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(prefix["poses"][:, 3:], axis=1), 1.0)
    np.testing.assert_allclose(prefix["hand"][:, 0], [0.85, 0.75], atol=1e-9)


@pytest.mark.parametrize("start", [0.98, 1.22])
def test_a_chunk_that_begins_outside_has_no_prefix(start):
    assert (
        committed_prefix(chunk(1.0, [0.0, 0.1, 0.2]), chunk(0.9, np.zeros(8), hand=np.ones(8)), round(start * S), 0.1)
        is None
    )


def test_steps_that_are_over_lie_between_the_observation_and_what_is_committed():
    committed, last = chunk(1.0, [0.2, 0.3]), chunk(0.5, np.zeros(8), hand=np.linspace(1, 0.3, 8))
    seen = Departure(round(0.8 * S), {"arm": np.array([0.0, 0, 0, 0, 0, 0, 1])})
    prefix = committed_prefix(committed, last, round(0.9 * S), 0.1, seen)["arm"]
    np.testing.assert_allclose(prefix["poses"][:, 0], [0.1, 0.2, 0.3], atol=1e-9)
    np.testing.assert_allclose(prefix["hand"][:, 0], [0.6, 0.5, 0.4], atol=1e-9)
    assert committed_prefix(committed, last, round(0.7 * S), 0.1, seen) is None, "nothing is known from before it"
    newer = Departure(round(1.05 * S), seen.poses)
    assert len(committed_prefix(committed, last, round(1.0 * S), 0.1, newer)["arm"]["poses"]) == 2


def test_one_committed_step_counts_at_its_own_time_only():
    committed, last = chunk(1.1, [0.3]), chunk(0.9, np.zeros(8), hand=np.ones(8))
    assert len(committed_prefix(committed, last, round(1.1 * S), 0.1)["arm"]["poses"]) == 1
    assert committed_prefix(committed, last, round(1.0 * S), 0.1) is None


def test_nothing_committed_or_nothing_said_is_no_prefix():
    last = chunk(0.9, np.zeros(8), hand=np.ones(8))
    assert committed_prefix(None, last, S, 0.1) is None
    assert committed_prefix(chunk(1.0, [0.0]), None, S, 0.1) is None
