"""A camera that is late, dark, frozen, or has moved is named before the next demonstration; things that moved are no fault."""

import numpy as np
import pytest

from vipa.robot.camera_watch import CameraWatch
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.loop import Loop

NOISE = np.random.default_rng(0)


@pytest.fixture(scope="module")
def scenes():
    """Pictures of the fixed camera in two scenes: can and plant, and the arm, stand elsewhere."""
    task, robot = load_task("water_plant"), load_robot("fr3_single")
    found = []
    with Loop(task, robot, ["scene"], image_size=(320, 240)) as loop:
        for seed in (1, 2):
            loop.reset(seed, "terracotta", "nobody")
            found.append(_first(loop))
    return found


def _first(loop):
    for _ in range(40):
        if "scene" in (frames := loop.tick().frames):
            return frames["scene"].color
        loop.cell.step()
    raise AssertionError("no picture")


def noisy(picture):
    return np.clip(picture.astype(int) + NOISE.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def shifted(picture, pixels):
    return np.roll(picture, pixels, axis=1)


def watch(**kwargs):
    return CameraWatch(("scene",), ("scene",), **({"still_ok": False} | kwargs))


def test_a_camera_that_looks_as_before_is_fit(scenes):
    w = watch()
    w.take("scene", noisy(scenes[0]), 0.0)
    w.remember()
    w.take("scene", noisy(scenes[0]), 10.0)
    assert w.faults(10.2) == []


def test_late_dark_and_frozen_are_named(scenes):
    w = watch()
    assert w.faults(0.0) == ["camera scene: no picture yet"]
    for k in range(31):
        w.take("scene", scenes[0], 0.1 * k)
    assert w.faults(3.0) == ["camera scene: the same pixels for 3.0 s; allowed: 2 s"]
    assert watch_of(scenes[0], still_ok=True).faults(3.0) == []
    w.take("scene", noisy(scenes[0]), 3.1)
    assert w.faults(3.2) == []
    assert "3.1 s old; allowed: 1 s" in w.faults(6.2)[0]
    w.take("scene", noisy(scenes[0] // 20), 7.0)
    assert "dark: " in w.faults(7.0)[0] and "of 255 on average; allowed: 8 or more" in w.faults(7.0)[0]


def watch_of(picture, **kwargs):
    w = watch(**kwargs)
    for k in range(31):
        w.take("scene", picture, 0.1 * k)
    return w


@pytest.mark.parametrize("pixels", [37, 8])
def test_a_camera_that_has_moved_is_named_with_the_pixels(scenes, pixels):
    w = watch()
    w.take("scene", noisy(scenes[0]), 0.0)
    w.remember()
    w.take("scene", noisy(shifted(scenes[0], pixels)), 1.0)
    assert w.faults(1.0) == [f"camera scene: it has moved since the last demonstration: {pixels} pixels; allowed: 4"]


def test_a_small_shake_and_a_camera_on_the_arm_are_no_move(scenes):
    w = watch()
    w.take("scene", noisy(scenes[0]), 0.0)
    w.remember()
    w.take("scene", noisy(shifted(scenes[0], 1)), 1.0)
    assert w.faults(1.0) == []
    carried = CameraWatch(("wrist",), (), still_ok=False)
    carried.take("wrist", noisy(scenes[0]), 0.0)
    carried.remember()
    carried.take("wrist", noisy(shifted(scenes[0], 37)), 1.0)
    assert carried.faults(1.0) == []


def test_things_put_elsewhere_are_no_move(scenes):
    """A third of the picture is that of another scene."""
    w = watch()
    w.take("scene", noisy(scenes[0]), 0.0)
    w.remember()
    other = scenes[0].copy()
    other[60:180, 100:220] = shifted(scenes[1], 25)[60:180, 100:220]
    assert np.abs(other.astype(int) - scenes[0]).max() > 50
    w.take("scene", noisy(other), 1.0)
    assert w.faults(1.0) == []
