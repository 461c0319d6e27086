"""Hostile streams: whatever arrives, and however late the arms follow, every limit holds at every tick. Cases: VIPA_PROPERTY_CASES (200; CI 450; docs/safety.md tells of 10,000)."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from helpers.hostile import CASES, EVENTS, Adversary, arms, starts
from vipa.motion import servo
from vipa.motion.motion import Motion
from vipa.robot.description import load_robot
from vipa.robot.fixture import Fixture

FIXTURES = [
    Fixture("table", [0.5, 0, -0.02], [1.2, 1.6, 0.04]),
    Fixture("cabinet", [0.65, 0.5, 0.15], [0.3, 0.3, 0.3]),
    Fixture("wall", [0.85, -0.3, 0.4], [0.2, 0.6, 0.8], [0.0, 0.0, 0.3]),
]
script = st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(1, 40)), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def cell():
    motion = Motion(load_robot("fr3_single"), FIXTURES)
    return motion, starts(motion, 20)


@pytest.fixture(scope="module")
def slow_cell(cell):
    return Motion(load_robot("fr3_single"), FIXTURES), cell[1]


def play(cell, seed, script, gap=None):
    motion, places = cell
    random = np.random.default_rng(seed)
    adversary = Adversary(motion, random, arms(random) if gap is None else None, gap)
    adversary.begin(places[seed % len(places)])
    for event, ticks in script:
        adversary.event(event)
        for _ in range(ticks):
            adversary.tick()


@settings(max_examples=CASES // 4, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), script=script)
def test_the_gate_alone_holds_every_limit(cell, seed, script):
    """The servo sees no wall, no limit and no collision here: what it asks for, the gate must stop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servo.Servo, "_collision_rows", lambda self, q, v, hands: ([], []))
        patch.setattr(servo.Servo, "_wall_rows", lambda self, *args: None)
        patch.setattr(servo, "LIMIT_GAIN_1_S", 1e6)
        patch.setattr(servo, "HEADROOM_SHARE", 2.0)
        patch.setattr(servo, "TOOL_HEADROOM_SHARE", 2.0)
        play(cell, seed, [("plunge", 60), *script])


@settings(max_examples=CASES // 4, deadline=None, suppress_health_check=list(HealthCheck))
@example(seed=499, script=[("joints", 9), ("hand", 19), ("rearm", 21), ("authority", 11), ("joints", 19)])
@given(seed=st.integers(0, 2**32 - 1), script=script)
def test_every_limit_holds_with_joint_states_at_30_hz(slow_cell, seed, script):
    play(slow_cell, seed, script, 0.033)
    assert slow_cell[0].dt > 0.03


@pytest.mark.parametrize("half", [0, 1])  # one for each of two workers
@settings(max_examples=CASES // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**31 - 1), script=script)
def test_every_limit_holds_whatever_arrives(cell, half, seed, script):
    play(cell, 2 * seed + half, script)
