"""Insert-Flower's scene: every card is a fair start for two arms, and what is drawn and felt fits together."""

import numpy as np
import pytest

from vipa.errors import VipaError
from vipa.geometry import poses as geometry
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.cell import SimCell
from vipa_sim.objects import flowers, vase
from vipa_sim.scenes import insert_flower


@pytest.fixture(scope="module")
def cell():
    return SimCell(load_robot("fr3_dual"), load_task("insert_flower"), cameras=())


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_cards_are_fair_starts(cell, count):
    """In place, at rest, and both arms can go their ways: `place` draws again where they cannot."""
    ranges, sides, variants = cell.task.randomisation, [], set()
    for seed in range(count):
        variants.add(cell.reset(seed).variant)
        truth = cell.truth()
        assert truth.contacts <= {("flower", "holder"), ("holder", "table"), ("table", "vase")}, (seed, truth.contacts)
        poses = {name: geometry.transform(pose, [0.0, 0.0, 0.0]) for name, pose in truth.poses.items()}
        side = float(np.sign(poses["holder"][1]))
        sides.append(side)
        for name in ("holder", "vase"):
            place = poses[name][:2] * [1, side]
            assert (place > np.array(ranges[f"{name}_min"]) - 0.005).all(), (seed, name, place)
            assert (place < np.array(ranges[f"{name}_max"]) + 0.005).all(), (seed, name, place)
            assert abs(poses[name][2]) < 2e-3 and np.abs(truth.poses[name][3:5]).max() < 5e-3, (seed, name)
        assert np.linalg.norm(poses["vase"][:2] - poses["holder"][:2]) > ranges["apart"] - 0.005
        stem = geometry.directions(truth.poses["flower"], [0, 0, 1])
        assert np.linalg.norm((poses["flower"] - poses["holder"])[:2]) < 0.01 and stem[2] > np.cos(0.15), seed
    assert variants == set(cell.task.seen) and 0.25 < np.mean(np.array(sides) > 0) < 0.75


def test_places_out_of_reach_are_refused(cell):
    import dataclasses

    far = dict(cell.task.randomisation, vase_min=[0.95, -0.1], vase_max=[0.96, 0.0])
    with pytest.raises(VipaError, match="insert_flower: no reachable places"):
        SimCell(cell.robot, dataclasses.replace(cell.task, randomisation=far), cameras=())


def test_variants_are_looks(cell):
    poses = cell.reset(3, "porcelain").poses
    assert cell.reset(3, "plum").poses == poses
    with pytest.raises(VipaError, match="unknown key.*glaze.*allowed: vase, table"):
        cell.scene.appearance({"glaze": [1, 1, 1]}, np.random.default_rng(0))


def test_a_stem_fits_the_vase_and_falls_to_its_floor(cell):
    """Let go of over the mouth, 12 mm off, it slides down to the sand and stays."""
    import mujoco

    cell.reset(0)
    place = cell.truth().poses["vase"][:3]
    upright = np.array([1.0, 0.0, 0.0, 0.0])
    insert_flower.put(cell.model, cell.data, "flower", place + [0.012, 0.0, vase.HEIGHT - 0.005], upright)
    cell.data.qvel[:] = 0
    mujoco.mj_forward(cell.model, cell.data)
    for _ in range(150):
        cell.step()
    poses = cell.truth().poses
    tip = geometry.transform(geometry.inverse(poses["vase"]), poses["flower"][:3])
    assert tip[2] == pytest.approx(vase.BELLY_HEIGHT, abs=0.01) and np.hypot(*tip[:2]) < vase.BORE
    assert np.linalg.norm(poses["vase"][:3] - place) < 0.01
    assert geometry.directions(poses["flower"], [0, 0, 1])[2] > np.cos(0.35)


def test_what_is_drawn_of_the_vase_is_what_is_felt(cell):
    """The drawn profile lies within 4 mm of the shapes that are felt: at the neck, the belly and the rim."""
    cell.reset(0)
    import mujoco

    model, data = cell.model, cell.data
    body = model.body("vase").id
    centre, ray = data.xpos[body], np.zeros(1, np.int32)
    for height, radius in ((0.034, 0.040), (0.11, vase.NECK), (vase.HEIGHT - 0.002, 0.033)):
        start = centre + [0.2, 0.0, height]
        found = mujoco.mj_ray(
            model, data, start, np.array([-1.0, 0, 0]), np.array([0, 0, 0, 1, 0, 0], np.uint8), 1, -1, ray
        )
        assert 0.2 - found == pytest.approx(radius, abs=0.004), height
    assert flowers.STEM > insert_flower.GRIP_M + 0.1
