"""Screws of a hand: they drive with so much, hold against more, and open what they had closed."""

import numpy as np
import pytest

from vipa_sim.screw_drive import ScrewDrive

STIFFNESS, FORCE = 100.0, 1.6


@pytest.fixture
def screw():
    drive = ScrewDrive(STIFFNESS, np.array([FORCE]))
    drive.reset(np.array([0.5]))
    return drive


def test_a_free_joint_goes_where_it_is_sent(screw):
    joint = np.array([0.5])
    for wanted in (0.6, 0.3, 0.9):
        for _ in range(100):
            joint = screw.follow(np.array([wanted]), joint).copy()  # the joint follows its screw
        assert joint[0] == pytest.approx(wanted)


def test_it_presses_with_its_force_and_no_more(screw):
    blocked = np.array([0.5])
    for _ in range(10):
        screw_at = screw.follow(np.array([1.2]), blocked)
    assert STIFFNESS * (screw_at - blocked)[0] == pytest.approx(FORCE)


def test_what_pushes_the_joint_back_does_not_turn_the_screw(screw):
    held = screw.follow(np.array([0.6]), np.array([0.59]))[0]
    pushed = screw.follow(np.array([0.6]), np.array([0.55]))[0]  # against a force of five times what it drives with
    assert pushed == held == pytest.approx(0.6)
    assert screw.follow(np.array([0.4]), np.array([0.55]))[0] < 0.6  # but it opens when it is told to
