"""Hostile streams against the other robots: every limit holds at every tick, as test_properties.py holds fr3_single to it."""

import numpy as np
import pytest

from helpers.hostile import EVENTS, Adversary, starts
from vipa.motion.motion import Motion
from vipa.robot.description import load_robot
from vipa.robot.fixture import Fixture

FIXTURES = [Fixture("table", [0.5, 0, -0.02], [1.2, 1.6, 0.04]), Fixture("cabinet", [0.65, 0.5, 0.15], [0.3, 0.3, 0.3])]


@pytest.mark.parametrize("name", ["ur5e_single", "fr3_inspire"])
def test_every_limit_holds_whatever_arrives(name):
    motion = Motion(load_robot(name), FIXTURES)
    places = starts(motion, 8)
    for seed in range(16):
        random = np.random.default_rng(seed)
        adversary = Adversary(motion, random)
        adversary.begin(places[seed % len(places)])
        for _ in range(int(random.integers(1, 8))):
            adversary.event(str(random.choice(EVENTS)))
            for _ in range(int(random.integers(1, 40))):
                adversary.tick()
