"""The expert's reference motion: arrives, keeps its limits, and chunks that follow each other agree."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from vipa.commanders.expert.reference import PoseReference
from vipa.geometry import poses as geometry
from vipa.geometry import rotation

LIMITS = (0.4, 1.2, 1.5, 6.0)
DT = 0.1


def pose(position, turn=(0, 0, 0)):
    return geometry.pose(position, rotation.exp(turn))


coordinate = st.floats(-0.6, 0.6)
vectors = st.tuples(coordinate, coordinate, coordinate)
turns = st.tuples(*(st.floats(-1.5, 1.5),) * 3)


@settings(max_examples=25, deadline=None)
@given(position=vectors, turn=turns)
def test_arrives_within_the_limits(position, turn):
    goal = pose(position, turn)
    reference, path = PoseReference(pose((0, 0, 0))), []
    for _ in range(100):
        poses, after = reference.plan(goal, LIMITS, 2, DT)
        assert np.allclose(poses[0], reference.pose)
        reference.advance(after)
        assert np.allclose(reference.pose, poses[1])
        path.append(poses[0])
    assert np.allclose(path[-1][:3], goal[:3], atol=1e-3) and geometry.angle_between(path[-1], goal) < 1e-2
    steps = np.diff(np.array(path), axis=0)[:, :3]
    assert np.linalg.norm(steps, axis=1).max() <= LIMITS[0] * DT * 1.001
    changes = np.diff(np.vstack([np.zeros(3), steps]), axis=0)
    assert np.linalg.norm(changes, axis=1).max() <= 2 * LIMITS[1] * DT * DT + 1e-9
    angles = [geometry.angle_between(a, b) for a, b in zip(path, path[1:])]
    assert max(angles) <= LIMITS[2] * DT * 1.001


def test_a_goal_that_moves_is_followed():
    reference = PoseReference(pose((0, 0, 0)))
    for step in range(200):
        goal = pose((0.3 + 0.05 * np.sin(0.1 * step), 0.1, 0))
        reference.advance(reference.plan(goal, LIMITS, 2, DT)[1])
    assert np.linalg.norm(reference.position - goal[:3]) < 0.02


def test_displaced_it_goes_on_from_there_as_fast_as_before():
    reference = PoseReference(pose((0, 0, 0)))
    poses, after = reference.plan(pose((0.5, 0, 0)), LIMITS, 16, DT)
    reference.advance(after)
    velocity = reference.velocity.copy()
    reference.displace(np.array([0, 0.01, 0, 0.2]))
    assert reference.position == pytest.approx(poses[1][:3] + [0, 0.01, 0])
    assert reference.velocity == pytest.approx(velocity)
    assert rotation.difference(reference.turn, poses[1][3:]) == pytest.approx([0, 0, 0.2], abs=1e-9)
