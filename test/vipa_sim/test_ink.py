"""Ink on a board: where it is drawn, what takes it off and what does not."""

import numpy as np
import pytest

from vipa_sim import marks
from vipa_sim.ink import MIN_PRESSURE, TEXEL, VISIBLE, WIPE_LENGTH, Ink, pressures

SIZE, HALF = (0.30, 0.20), np.array([0.045, 0.023])


def board(line=False) -> Ink:
    """Inked all over, or along one line in x at y = 0."""
    ink = Ink(SIZE)
    image = np.zeros(ink.shape) if line else np.ones(ink.shape)
    image[ink.shape[0] // 2, 20:-20] = 1.0
    ink.set(image)
    return ink


@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.02, 0.0), (0.0, -0.1), (0.3, 0.3)])
@pytest.mark.parametrize("force", [0.5, 8.0, 30.0])
def test_pressures_bear_the_force_on_what_touches(force, slope):
    under = pressures(force, np.array(slope), HALF, (40, 80))
    area = 4 * HALF[0] * HALF[1] / under.size
    assert under.sum() * area == pytest.approx(force) and under.min() >= 0
    if not any(slope):
        assert np.ptp(under) < 1e-6
    else:  # where the sole rises nothing presses; the most is at the other end
        rise = slope[0] * np.linspace(-1, 1, 80)[None] * HALF[0] + slope[1] * np.linspace(-1, 1, 40)[:, None] * HALF[1]
        assert rise.flat[under.argmax()] == rise.min()
    assert not pressures(0.0, np.array(slope), HALF).any()


def test_a_cloth_takes_off_what_is_under_it_and_nothing_else():
    ink, at, yaw = board(), np.array([0.03, -0.02]), 0.4
    hard = np.full((6, 12), 2 * MIN_PRESSURE)
    ink.wipe(at, yaw, HALF, hard, np.array([WIPE_LENGTH, 0.0, 0.0]))
    c, s = np.cos(yaw), np.sin(yaw)
    inside = (np.abs((ink.places - at) @ np.array([[c, -s], [s, c]])) <= HALF).all(axis=1)
    np.testing.assert_allclose(ink.amounts[inside], np.exp(-1.0))
    assert (ink.amounts[~inside] == 1.0).all()
    assert inside.sum() * TEXEL**2 == pytest.approx(4 * HALF[0] * HALF[1], rel=0.02)
    for _ in range(3):  # what nobody sees any more comes off whole
        ink.wipe(at, yaw, HALF, hard, np.array([0.0, WIPE_LENGTH, 0.0]))
    assert (ink.amounts[inside] == 0.0).all() and ink.amounts[~inside].min() > VISIBLE


@pytest.mark.parametrize("pressure, slid", [(0.99 * MIN_PRESSURE, 0.3), (5 * MIN_PRESSURE, 0.0)])
def test_too_little_pressure_or_no_sliding_leaves_it(pressure, slid):
    ink = board()
    version = ink.version
    ink.wipe(np.zeros(2), 0.0, HALF, np.full((6, 12), pressure), np.array([slid, 0.0, 0.0]))
    assert (ink.amounts == 1.0).all() and ink.version == version


def test_turning_on_the_spot_rubs_the_ends_more_than_the_middle():
    ink = board(line=True)
    ink.wipe(np.zeros(2), 0.0, HALF, np.full((6, 12), 2 * MIN_PRESSURE), np.array([0.0, 0.0, 0.1]))
    x = ink.places[:, 0]
    under = np.abs(x) < HALF[0]
    np.testing.assert_allclose(ink.amounts[under], np.exp(-0.1 * np.hypot(x[under], 0.0005) / WIPE_LENGTH), rtol=1e-6)


def test_an_askew_cloth_wipes_on_its_lower_edge_alone():
    ink = board()
    ink.wipe(np.zeros(2), 0.0, HALF, pressures(8.0, np.array([0.3, 0.0]), HALF), np.array([0.0, 0.05, 0.0]))
    x, wiped = ink.places[:, 0], ink.amounts < 0.5
    assert wiped.any() and x[wiped].max() < 0 and wiped.sum() < 0.5 * (4 * HALF.prod() / TEXEL**2)


def test_nearest_is_the_middle_of_the_nearest_ink_and_none_on_a_clean_board():
    ink = board(line=True)
    np.testing.assert_allclose(ink.nearest(np.array([0.02, 0.09])), [0.02, TEXEL / 2], atol=TEXEL)
    end = ink.nearest(np.array([0.3, 0.0]))
    assert SIZE[0] / 2 - 0.020 - 0.004 < end[0] < SIZE[0] / 2 - 0.020
    ink.set(np.zeros(ink.shape))
    assert ink.nearest(np.zeros(2)) is None and ink.area == 0.0


def test_paint_blends_ink_into_the_board_and_leaves_the_board_alone():
    ink, blank = board(line=True), np.full((200, 300, 3), 250, np.uint8)
    ink.amounts[:] = 0.5
    image = ink.paint(blank, np.array([10.0, 20.0, 250.0]))
    assert (image[100, 20:-20] == [130, 135, 250]).all() and (blank == 250).all()
    image[100] = 250
    assert (image == 250).all()


@pytest.mark.parametrize("seed", range(5))
def test_marks_are_of_a_markers_width_spread_and_within_the_margin(seed):
    image = marks.scribble(SIZE, 0.022, 4, np.random.default_rng(seed))
    rows, columns = np.nonzero(image)
    places = TEXEL * (np.stack([columns, rows], axis=1) + 0.5)
    assert (places > 0.021).all() and (places < np.array(SIZE) - 0.021).all()
    assert image.min() >= 0 and image.max() == 1.0
    boxes = {(int(3 * (x - 0.022) / (SIZE[0] - 0.044)), int(2 * (y - 0.022) / (SIZE[1] - 0.044))) for x, y in places}
    assert len(boxes) == 4
    np.testing.assert_array_equal(image, marks.scribble(SIZE, 0.022, 4, np.random.default_rng(seed)))
