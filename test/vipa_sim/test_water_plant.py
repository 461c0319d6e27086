"""Physics of Water-Plant: a light squeeze lifts the can, a full one presses its handle, every seed can be aimed."""

import dataclasses

import mujoco
import numpy as np
import pytest
from scipy.spatial import Delaunay

from helpers.cell_driver import Driver
from vipa.errors import VipaError
from vipa.geometry import poses as geometry
from vipa.robot.description import load_robot
from vipa.tasks import checks
from vipa.tasks.checks import CheckState, CheckStatus
from vipa.tasks.task import load_task
from vipa_sim.cell import SimCell
from vipa_sim.objects.can import GAP, GRASP_HEIGHT, MASS, NOZZLE, TRAVEL
from vipa_sim.placement_ik import gripping

LIGHT = GAP / 2 - 0.0035  # finger joint, metres: 3.5 mm past contact


@pytest.fixture(scope="module")
def plant():
    return SimCell(load_robot("fr3_single"), load_task("water_plant"), cameras=())


def grasp(cell, seed):
    """Take the can from above with a light squeeze; returns the driver and the yaw of its spout."""
    for turn in (0.0, np.pi):
        cell.reset(seed)
        drive, can = Driver(cell), cell.truth().poses["can"]
        yaw = 2 * np.arctan2(can[5], can[6])
        try:
            drive.move([can[0], can[1], 0.27], gripping(yaw + turn))
        except AssertionError:
            continue
        drive.move([can[0], can[1], GRASP_HEIGHT], gripping(yaw + turn))
        drive.grip(LIGHT)
        return drive, yaw, turn
    raise AssertionError(f"seed {seed}: can out of reach")


@pytest.mark.parametrize("seed", range(4))
def test_light_squeeze_lifts_and_a_full_one_sprays(plant, seed):
    drive, yaw, turn = grasp(plant, seed)
    start = plant.truth().poses["can"]
    drive.move([start[0], start[1], GRASP_HEIGHT + 0.10], gripping(yaw + turn))
    drive.run(0.5)
    truth = plant.truth()
    assert truth.poses["can"][2] > 0.09
    assert truth.scalars["spray"] < 0.004
    assert {"can", "spray_handle"} == {
        name for pair in truth.contacts if any("finger" in n for n in pair) for name in pair if "finger" not in name
    }
    # the finger on the handle and the one behind the neck carry the weight
    assert plant.wrench("arm")[2] == pytest.approx((MASS + 0.02) * 9.81, abs=0.2)
    drive.grip(0.0, 1.0)
    truth = plant.truth()
    assert 0.010 < truth.scalars["spray"] < TRAVEL + 0.002
    assert truth.poses["can"][2] > 0.09
    drive.grip(LIGHT, 1.0)
    drive.run(2.0)
    truth = plant.truth()
    assert truth.scalars["spray"] < 0.004 and truth.poses["can"][2] > 0.09
    upright = 1 - 2 * np.square(truth.poses["can"][3:5]).sum()
    assert upright > 0.999


def test_nozzle_and_handle_are_where_the_module_says(plant):
    plant.reset(0)
    poses = plant.truth().poses
    yaw = 2 * np.arctan2(poses["can"][5], poses["can"][6])
    forward = np.array([np.cos(yaw), np.sin(yaw)])
    np.testing.assert_allclose(poses["can_nozzle"][:2], poses["can"][:2] + NOZZLE[0] * forward, atol=1e-3)
    assert poses["can_nozzle"][2] == pytest.approx(NOZZLE[2], abs=1e-3)
    np.testing.assert_allclose(poses["can_nozzle"][3:], poses["can"][3:], atol=1e-6)
    along = (poses["spray_handle"][:2] - poses["can"][:2]) @ forward
    assert along == pytest.approx(GAP / 2 - 0.004, abs=1e-3)
    assert plant.truth().scalars["spray"] == pytest.approx(0.0, abs=1e-3)


def test_two_hundred_seeds_are_fair_starts(plant):
    ranges, variants = plant.task.randomisation, set()
    for seed in range(200):
        variants.add(plant.reset(seed).variant)
        truth = plant.truth()
        can, pot = truth.poses["can"], truth.poses["plant"]
        assert truth.contacts == {("can", "table"), ("plant", "table")}, seed
        assert np.linalg.norm(can[:2] - pot[:2]) > ranges["apart"] - 0.005
        for name, pose in (("can", can), ("plant", pot)):
            assert (pose[:2] > np.array(ranges[f"{name}_min"]) - 0.005).all(), seed
            assert (pose[:2] < np.array(ranges[f"{name}_max"]) + 0.005).all(), seed
            assert abs(pose[2]) < 2e-3 and np.abs(pose[3:5]).max() < 2e-3, (seed, name)
        heading = np.arctan2(*(pot[:2] - can[:2])[::-1])
        away = (2 * np.arctan2(can[5], can[6]) - heading + np.pi) % (2 * np.pi) - np.pi
        assert abs(away) < ranges["can_yaw"] + 0.02, seed
    assert variants == set(plant.task.seen)


def test_variants_and_water_are_looks(plant):
    poses = plant.reset(3, "terracotta").poses
    assert plant.reset(3, "crimson").poses == poses
    assert plant.snapshot().appearance is plant.snapshot().appearance
    dry = plant.snapshot().appearance
    assert dry.materials["water"][3] == 0
    plant.data.joint("spray").qpos[0] = 0.011
    wet = plant.snapshot().appearance
    assert wet.materials["water"][3] > 0.5 and wet.materials["pot"] == dry.materials["pot"]
    with pytest.raises(VipaError, match="allowed: black, cobalt, cream, crimson, terracotta"):
        plant.reset(0, "linen")


def test_what_counts_as_watering_is_what_is_seen(plant):
    """The drawn drops against the drawn leaves: where the check says that the jet meets the plant, drops are among the leaves; where
    half of them are, it says so."""
    spec = next(s for s in plant.task.subtasks if s.check == "aims_at")
    check = checks.build(dataclasses.replace(spec, params=spec.params | {"held": ""}), "here")
    plant.reset(0)
    truth = plant.truth()
    leaves, drops = Delaunay(_drawn(plant, "plant", "leaf", truth)), _drawn(plant, "can_nozzle", "water", truth)
    check.setup(CheckState(0, truth))
    counts = {True: [], False: []}
    foot = truth.poses["plant"]
    for distance in (0.14, 0.19, 0.24, 0.28):
        for height in (0.14, 0.18, 0.228, 0.25):
            for aside in np.linspace(-0.12, 0.12, 13):
                nozzle = np.array([*(foot[:3] + [-distance, aside, height]), 0, 0, 0, 1])
                met = check.update(
                    CheckState(1, dataclasses.replace(truth, poses=truth.poses | {"can_nozzle": nozzle}))
                )
                wet = (
                    leaves.find_simplex(geometry.transform(geometry.inverse(foot), geometry.transform(nozzle, drops)))
                    >= 0
                )
                counts[met.status is CheckStatus.MET].append(int(wet.sum()))
    assert len(drops) == 42 and min(counts[True]) >= 1 and max(counts[False]) <= 25
    assert np.median(counts[True]) > 10 and np.median(counts[False]) < 3


def _drawn(cell, body, name, truth) -> np.ndarray:
    """Points (N, 3) of the body's drawn shapes whose mesh or material is called `name`…, in its frame."""
    model, found = cell.drawn_model(), []
    data = mujoco.MjData(model)
    data.qpos[:] = cell.snapshot().qpos
    mujoco.mj_kinematics(model, data)
    frame = geometry.inverse(truth.poses[body])
    for geom in np.flatnonzero(model.geom_bodyid == model.body(body).id):
        material = model.mat(model.geom_matid[geom]).name if model.geom_matid[geom] >= 0 else ""
        mesh = model.geom_dataid[geom]
        if mesh >= 0 and model.mesh(mesh).name.startswith(name):
            start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
            points = (
                model.mesh_vert[start : start + count] @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
            )
        elif mesh < 0 and material == name:
            points = data.geom_xpos[geom][None]
        else:
            continue
        found.append(geometry.transform(frame, points))
    return np.concatenate(found)
