"""Physics of Put-Three-Obj: fruits can be held, the drawer moves, every seed is a fair start."""

import numpy as np
import pytest

from helpers.cell_driver import Driver
from vipa.errors import VipaError
from vipa_sim.objects.fruit import APPLE_MASS, BANANA_MASS, PLUM_MASS, banana_points
from vipa_sim.placement_ik import gripping

FRUITS = {"apple": APPLE_MASS, "banana": BANANA_MASS, "plum": PLUM_MASS}


def closing_yaw(name, pose):
    """Line in the world on which fingers close on a fruit: across the banana, anywhere on a ball. In 0..π."""
    return (2 * np.arctan2(pose[5], pose[6]) + np.pi / 2) % np.pi if name == "banana" else np.pi / 2


@pytest.mark.parametrize("seed", [0, 11])
@pytest.mark.parametrize("fruit", FRUITS)
def test_a_grasp_holds_through_lift_and_shake(cell, fruit, seed):
    cell.reset(seed)
    drive, start = Driver(cell), cell.truth().poses[fruit]
    rotation = gripping(closing_yaw(fruit, start))
    grasp = np.array([start[0], start[1], max(start[2], 0.021)])
    drive.move(grasp + [0, 0, 0.12], rotation)
    drive.run(0.3)
    empty = cell.wrench("arm")
    assert np.abs(empty[:3]).max() < 0.3 and np.abs(empty[3:]).max() < 0.05
    drive.move(grasp, rotation)
    drive.grip(0.0)
    touching = cell.truth().contacts
    assert {tuple(sorted((fruit, f))) for f in ("fr3_leftfinger", "fr3_rightfinger")} <= touching
    top = grasp + [0, 0, 0.15]
    drive.move(top, rotation)
    lifted = cell.truth().poses[fruit]
    assert lifted[2] - start[2] > 0.14
    for k in range(4):
        drive.move(top + [0.05 * (-1) ** k, 0.03 * (-1) ** (k // 2), 0], rotation, 0.35)
    drive.move(top, rotation, 0.35)
    drive.run(2.0)
    held = cell.truth().poses[fruit]
    assert np.linalg.norm(held[:3] - lifted[:3]) < 0.004
    force = cell.wrench("arm")
    weight = FRUITS[fruit] * 9.81
    np.testing.assert_allclose(force[:3], [0, 0, weight], atol=0.15 + 0.1 * weight)  # the tool's z points down


def test_wrench_at_rest_is_nothing(cell):
    cell.reset(3)
    wrench = cell.wrench("arm")
    np.testing.assert_allclose(wrench, np.zeros(6), atol=0.25)
    np.testing.assert_array_equal(cell.wrench("arm"), wrench)  # the same of the same time
    cell.step()
    assert np.all(cell.wrench("arm") != wrench)
    with pytest.raises(VipaError, match="allowed: arm"):
        cell.wrench("leg")


def test_the_drawer_opens_stays_and_closes(cell):
    cell.reset(1)
    drive, handle, rotation = Driver(cell), cell.truth().poses["drawer_handle"][:3], gripping(np.pi / 2)
    drive.move(handle + [0, 0, 0.10], rotation)
    drive.grip(0.025)
    drive.move(handle, rotation)
    drive.grip(0.0)
    drive.move(handle - [0, 0.2, 0], rotation, 2.0)
    assert cell.truth().scalars["drawer"] == pytest.approx(0.2, abs=0.005)
    assert ("drawer_handle", "fr3_leftfinger") in cell.truth().contacts
    drive.grip(0.025)
    drive.move(handle + [0, -0.2, 0.1], rotation)
    assert cell.truth().scalars["drawer"] == pytest.approx(0.2, abs=0.01)  # stays where it is left
    drive.grip(0.0)
    # closed with shut fingers against the bar
    drive.move(handle + [0, -0.24, 0.1], rotation)
    drive.move(handle + [0, -0.24, 0.0], rotation)
    drive.move(handle + [0, -0.02, 0.0], rotation, 2.0)
    assert cell.truth().scalars["drawer"] < 0.015


@pytest.mark.parametrize("fruit", FRUITS)
def test_fruit_dropped_into_the_drawer_lies_inside(cell, fruit):
    cell.reset(2)
    data = cell.data
    data.joint("drawer").qpos[0] = 0.2
    floor = cell.truth().poses["drawer"][:3]
    start = cell.model.joint(f"{fruit}_free").qposadr[0]
    data.qpos[start : start + 7] = [floor[0] + 0.05, 0.18, 0.14, 1, 0, 0, 0]
    Driver(cell).run(1.5)
    truth = cell.truth()
    local = truth.poses[fruit][:3] - truth.poses["drawer"][:3]
    inner = [truth.scalars[f"drawer_inner_{axis}"] for axis in "xyz"]
    assert (np.abs(local[:2]) < inner[:2]).all() and 0 < local[2] < inner[2]
    assert tuple(sorted(("drawer", fruit))) in truth.contacts


def test_two_hundred_seeds_are_fair_starts(cell):
    low, high = (np.array(cell.task.randomisation[k]) for k in ("fruit_min", "fruit_max"))
    variants = set()
    for seed in range(200):
        card = cell.reset(seed)
        variants.add(card.variant)
        truth = cell.truth()
        apple, banana, plum = (truth.poses[n] for n in FRUITS)
        yaw = 2 * np.arctan2(banana[5], banana[6])
        turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
        along = banana[:2] + banana_points()[:, :2] @ turn
        gaps = [
            np.linalg.norm(apple[:2] - plum[:2]),
            np.linalg.norm(along - apple[:2], axis=1).min(),
            np.linalg.norm(along - plum[:2], axis=1).min(),
        ]
        assert min(gaps) > 0.13, (seed, gaps)
        for fruit in (apple, banana, plum):
            assert (fruit[:2] > low - 0.005).all() and (fruit[:2] < high + 0.005).all(), seed
        # every fruit lies on the table and touches nothing else; the arm touches nothing
        assert truth.contacts == {("apple", "table"), ("banana", "table"), ("plum", "table")}, seed
        assert truth.scalars["drawer"] == pytest.approx(0.0, abs=1e-4)
        before = {n: truth.poses[n] for n in FRUITS}
        if seed % 20 == 0:  # and stays where it lies
            for _ in range(100):
                cell.step()
            for name, pose in before.items():
                assert np.linalg.norm(cell.truth().poses[name][:3] - pose[:3]) < 1e-3, (seed, name)
            drive = Driver(cell)
            for name, pose in before.items():
                drive.move([pose[0], pose[1], 0.2], gripping(closing_yaw(name, pose)), 0.3, points=4)
    assert variants == set(cell.task.seen)


def test_same_seed_same_scene_and_the_variant_leaves_the_poses(cell):
    first, other, again = cell.reset(5), cell.reset(6), cell.reset(5)
    assert first == again and first.poses != other.poses
    for variant in cell.task.variants:
        assert cell.reset(5, variant).poses == first.poses


def test_reset_refuses(cell):
    with pytest.raises(VipaError, match="unknown variant of task put_three_obj 'plaid'; allowed: crimson, linen"):
        cell.reset(0, "plaid")
    with pytest.raises(VipaError, match="seed -1 is negative"):
        cell.reset(-1)
