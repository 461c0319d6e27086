"""Delays that are put into signals are found again; what says nothing is said to."""

import numpy as np
import pytest

from vipa.calibration.delay import delay, seen_motion
from vipa.calibration.latency import SMALL, Track, measure, pattern, pictures_track, small

T = np.arange(0, 10, 0.01)
MOTION = pattern(T - 1.0, 0.12, 8.0)


def pictures(times, late, rng, gain=60.0, noise=4.0):
    """Pictures (480, 640, 3) of an edge that follows MOTION, stamped `late` seconds after their exposure."""
    found = []
    u = np.arange(640)
    for t in times:
        edge = 320 + gain * 8 * np.interp(t - late, T, MOTION)
        row = 120 + 80 / (1 + np.exp(-(u - edge) / 4))
        picture = np.repeat(np.repeat(row[None, :, None], 480, 0), 3, 2) + rng.normal(0, noise, (480, 640, 1))
        found.append(small(np.clip(picture, 0, 255).astype(np.uint8)))
    return pictures_track(times, found)


@pytest.mark.parametrize("late", [-0.02, 0.0, 0.035, 0.12])
def test_a_camera_that_is_late_is_found(late):
    times = np.arange(0.4, 9.6, 1 / 30)
    seen = pictures(times, late, np.random.default_rng(1))
    found = measure({}, {"arm": Track(T, MOTION)}, {}, {"scene": seen}).camera["scene"]
    assert found.fault == "" and found.seconds == pytest.approx(late, abs=0.004) and found.agreement > 0.95


@pytest.mark.parametrize("late", [0.0, 0.02, 0.06])
def test_an_arm_that_is_late_is_found(late):
    rng = np.random.default_rng(2)
    moved = np.interp(T - late, T, MOTION) + rng.normal(0, 2e-4, len(T))
    found = measure({"arm": Track(T, MOTION)}, {"arm": Track(T, moved)}, {}, {}).command["arm"]
    assert found.fault == "" and found.seconds == pytest.approx(late, abs=0.002)


def test_a_hand_that_is_late_is_found():
    command = np.interp(T, [0, 2, 2.01, 4, 4.01, 6, 6.01, 8], [1, 1, 0.2, 0.2, 1, 1, 0.3, 0.3])
    hand = np.interp(T - 0.15, T, command)
    found = measure({}, {}, {"arm": (Track(T, command), Track(T, hand))}, {}).hand["arm"]
    assert found.seconds == pytest.approx(0.15, abs=0.005)


def test_what_does_not_move_says_nothing():
    rng = np.random.default_rng(3)
    still = delay(T, MOTION, T, rng.normal(0, 1e-4, len(T)), what="arm")
    assert "nothing moves" in still.fault
    assert "samples within the motion" in delay(T, MOTION, T[:5], MOTION[:5], what="arm").fault


def test_another_motion_is_not_taken_for_this_one():
    other = 0.12 * np.sin(2 * np.pi * 2.3 * T)
    assert "agrees with the motion by" in delay(T, MOTION, T, other, what="camera").fault


def test_a_delay_beyond_reach_is_said():
    found = delay(T, MOTION, T, np.interp(T - 0.9, T, MOTION), reach=0.3, what="camera")
    assert found.fault


def test_the_pattern_begins_and_ends_at_rest_and_does_not_repeat():
    t = np.arange(0, 8.001, 0.01)
    p = pattern(t, 0.1, 8.0)
    assert abs(p[0]) < 1e-9 and abs(p[-1]) < 1e-9 and np.abs(p).max() <= 0.1
    assert np.abs(np.gradient(p, t)[[0, -1]]).max() < 0.01
    shifts = range(60, 400)
    repeats = max(abs(np.corrcoef(p[:-k], p[k:])[0, 1]) for k in shifts)
    assert repeats < 0.9


def test_the_brightness_of_pictures_does_not_matter():
    rng = np.random.default_rng(4)
    base = rng.uniform(50, 150, (480, 640, 3)).astype(np.uint8)
    a, b = small(base), small((base * 0.7).astype(np.uint8))
    assert a.shape[1] == SMALL and np.abs(a - b).max() < 0.02
    assert seen_motion(np.stack([a, b, a, b])).shape == (4,)
