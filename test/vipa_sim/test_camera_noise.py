"""Cameras as a RealSense sees: each claim about the noise is measured on pictures that are known."""

import numpy as np
import pytest

from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.camera_noise import BASELINES_M, DISPARITIES, FOCAL, SUBPIXEL, CameraNoise, hidden
from vipa_sim.cell import SimCell
from vipa_sim.render import Renderer

SHAPE = 120, 160
DULL = np.zeros(SHAPE, np.float32)


def measured(depth, specular=DULL, model="d435", seed=0, stamp_ns=1, focal=FOCAL):
    return CameraNoise(seed).depth("scene", model, stamp_ns, np.asarray(depth, np.float32), specular, focal)


def wall(metres):
    return np.full(SHAPE, metres, np.float32)


@pytest.mark.parametrize("model", BASELINES_M)
def test_depth_noise_grows_with_the_square_of_the_distance(model):
    spread = {}
    for z in (0.4, 0.8, 1.6):
        seen = measured(wall(z), model=model).astype(float) / 1000
        spread[z] = np.std(seen[seen > 0] - z)
        assert spread[z] == pytest.approx(z * z * SUBPIXEL / (FOCAL * BASELINES_M[model]), rel=0.15)
        assert abs(np.mean(seen[seen > 0]) - z) < 0.3 * spread[z] + 1e-3
    assert spread[1.6] / spread[0.4] == pytest.approx(16, rel=0.2)


def test_neighbours_share_their_error():
    error = measured(wall(1.5)).astype(float) - 1500
    assert np.corrcoef(error[:, :-1].ravel(), error[:, 1:].ravel())[0, 1] > 0.7
    assert abs(np.corrcoef(error[:, :-40].ravel(), error[:, 40:].ravel())[0, 1]) < 0.1


def test_nothing_is_measured_nearer_than_the_largest_disparity():
    nearest = FOCAL * BASELINES_M["d435"] / DISPARITIES
    assert 0.16 < nearest < 0.18
    assert np.count_nonzero(measured(wall(nearest * 0.97))) == 0
    assert np.count_nonzero(measured(wall(nearest * 1.03))) == DULL.size
    assert np.count_nonzero(measured(wall(0.0))) == 0  # where there was none there is none


def test_what_the_right_imager_does_not_see_is_a_band_on_the_left_of_what_is_near():
    disparity = np.full((4, 100), 10.0, np.float32)
    disparity[:, 40:60] = 25.0
    np.testing.assert_array_equal(np.flatnonzero(hidden(disparity, 1.0)[0]), np.arange(25, 40))
    np.testing.assert_array_equal(np.flatnonzero(hidden(disparity, 2.0)[0]), np.arange(33, 40))
    assert not hidden(np.full((4, 100), 10.0, np.float32), 1.0).any()
    depth = wall(1.5)
    depth[:, 80:120] = 0.6
    seen = measured(depth)
    width = FOCAL * 0.05 * (1 / 0.6 - 1 / 1.5)
    band = (seen == 0)[:, 80 - int(width) + 1 : 79]
    assert width > 15 and band.all()
    assert (seen == 0)[:, 122:].mean() == 0 and (seen == 0)[:, : 80 - int(width) - 3].mean() == 0


def test_outlines_have_holes_and_shiny_things_more():
    depth = wall(1.5)
    depth[:60] = 1.2
    seen = measured(depth) == 0
    assert 0.3 < seen[59:61].mean() < 0.7 and not seen[:59].any() and not seen[61:].any()
    holes = [(measured(wall(1.0), np.full(SHAPE, s, np.float32)) == 0).mean() for s in (0.4, 0.7, 0.9)]
    assert holes[0] == 0 and 0.2 < holes[1] < 0.45 and 0.5 < holes[2] < 0.8


def test_colour_is_noisy_where_it_is_bright_and_its_exposure_drifts():
    noise = CameraNoise(3)
    dark, bright = np.full((*SHAPE, 3), 20, np.uint8), np.full((*SHAPE, 3), 180, np.uint8)
    spread = [noise.color("scene", 10**9, c).astype(float).std() for c in (dark, bright)]
    assert 2 < spread[0] < spread[1] < 9
    at = [noise.exposure("scene", t * 10**8) for t in range(300)]
    assert 0.89 < min(at) < 0.96 and 1.04 < max(at) < 1.11 and np.abs(np.diff(at)).max() < 0.03
    later = noise.color("scene", 10**9 * 1, bright).mean() / noise.color("scene", 10**9 * 2, bright).mean()
    assert later == pytest.approx(noise.exposure("scene", 10**9) / noise.exposure("scene", 2 * 10**9), rel=0.01)
    assert noise.exposure("scene", 10**9) != noise.exposure("wrist", 10**9)


def test_the_same_camera_at_the_same_time_has_the_same_noise():
    depth, color = wall(1.2), np.full((*SHAPE, 3), 90, np.uint8)
    np.testing.assert_array_equal(measured(depth), measured(depth))
    for other in ({"seed": 1}, {"stamp_ns": 2}):
        assert (measured(depth) != measured(depth, **other)).any()
    a, b = CameraNoise(0), CameraNoise(0)
    a.color("wrist", 5, color)
    np.testing.assert_array_equal(a.color("scene", 6, color), b.color("scene", 6, color))


def test_a_cell_with_camera_noise_delivers_it_and_says_so():
    task, robot = load_task("water_plant"), load_robot("fr3_single")
    made = {noise: SimCell(robot, task, image_size=(160, 120), camera_noise=noise) for noise in (False, True)}
    frames = {}
    for noise, cell in made.items():
        assert cell.reset(4).camera_noise is noise
        renderer = Renderer(cell)
        frames[noise] = [renderer.frame(cell.snapshot(), name) for name in cell.cameras]
        again = renderer.frame(cell.snapshot(), "scene")
        np.testing.assert_array_equal(frames[noise][0].depth, again.depth)
        np.testing.assert_array_equal(frames[noise][0].color, again.color)
        renderer.close()
    for clean, noisy in zip(frames[False], frames[True], strict=True):
        assert np.abs(clean.color.astype(int) - noisy.color).mean() > 1
        both = (clean.depth > 0) & (noisy.depth > 0)
        assert 0.5 < both.sum() / (clean.depth > 0).sum() < 0.999
        assert not noisy.depth[clean.depth == 0].any()
        off = np.abs(clean.depth.astype(int) - noisy.depth)[both] / 1000
        assert np.median(off / (clean.depth[both] / 1000.0) ** 2) < 0.02
