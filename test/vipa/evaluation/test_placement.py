"""Resetting a real scene: what has moved is told by how much, what stands is not; things elsewhere in the scene do not matter."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vipa.calibration.camera_check import Drift, fine_drift
from vipa.calibration.reference import Reference
from vipa.errors import VipaError
from vipa.evaluation.placement import Wanted, overlay
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.cell import SimCell
from vipa_sim.placement_view import placements
from vipa_sim.render import Renderer

TASK = load_task("water_plant")
ROBOT = load_robot(TASK.robot)


def frames(seed, degrees=0.0, metres=0.0):
    """What the cameras see of scene `seed`, camera `scene` turned and shifted."""

    def moved(camera):
        if camera.name != "scene":
            return camera
        turn = Rotation.from_euler("xyz", camera.rpy) * Rotation.from_rotvec([0, np.radians(degrees), 0])
        position = [camera.position[0] + metres, *camera.position[1:]]
        return replace(camera, rpy=turn.as_euler("xyz").tolist(), position=position)

    cell = SimCell(replace(ROBOT, cameras=[moved(c) for c in ROBOT.cameras]), TASK, fixed_cameras=True)
    cell.reset(seed, "cobalt")
    renderer = Renderer(cell, pictures=True)
    try:
        return {name: renderer.frame(cell.snapshot(), name) for name in cell.cameras}
    finally:
        renderer.close()


@pytest.fixture(scope="module")
def first():
    return frames(1)


def test_a_camera_that_stands_has_not_moved_whatever_lies_elsewhere(first):
    for name, frame in frames(2).items():
        found = fine_drift(first[name].color, frame.color, frame.intrinsics)
        assert found.pixels < 0.2 and found.degrees < 0.1 and found.fault(name) == ""


@pytest.mark.parametrize("degrees", [0.5, 1.0, 3.0])
def test_a_camera_that_was_turned_is_told_by_how_much(first, degrees):
    now, before = frames(2, degrees)["scene"], first["scene"]
    found = fine_drift(before.color, now.color, now.intrinsics)
    assert found.degrees == pytest.approx(degrees, abs=0.2)
    assert found.pixels == pytest.approx(now.intrinsics[0, 0] * np.tan(np.radians(degrees)), rel=0.2)
    assert found.fault("scene").startswith("camera scene has moved: ")


def test_a_camera_that_was_shifted_is_found(first):
    now = frames(1, metres=0.03)["scene"]
    assert "has moved" in fine_drift(first["scene"].color, now.color, now.intrinsics).fault("scene")


def test_a_covered_camera_is_no_camera_that_stands(first):
    dark = np.zeros_like(first["scene"].color)
    found = fine_drift(first["scene"].color, dark, first["scene"].intrinsics)
    assert found == Drift(0.0, 0.0, 0) and "only 0 points" in found.fault("scene")


def test_the_reference_is_kept_and_checked(first, tmp_path):
    pictures, k = {n: f.color for n, f in first.items()}, {n: f.intrinsics for n, f in first.items()}
    joints = {"fr3_joint1": 0.1, "fr3_joint2": -0.5}
    reference = Reference(tmp_path / "reference")
    assert not reference.exists
    reference.take(pictures, joints)
    found, faults = reference.check(pictures, k, joints)
    assert faults == [] and max(d.pixels for d in found.values()) < 0.01
    turned = {n: f.color for n, f in frames(1, 2.0).items()}
    assert [f.split(":")[0] for f in reference.check(turned, k, joints)[1]] == ["camera scene has moved"]
    assert "fr3_joint2 is off by 0.100 rad" in reference.check(pictures, k, joints | {"fr3_joint2": -0.4})[1][0]
    assert "nothing is heard of joint fr3_joint1" in reference.check(pictures, k, {"fr3_joint2": -0.5})[1][0]
    (tmp_path / "reference/scene.png").write_bytes(b"")
    with pytest.raises(VipaError, match="no picture"):
        reference.check(pictures, k, joints)


def test_the_overlay_shows_where_things_are_to_stand_and_leaves_the_rest():
    wanted = placements(ROBOT, TASK, 3, "cobalt")["scene"]
    there = frames(3)["scene"].color
    assert 0.005 < wanted.mask.mean() < 0.15  # can and plant, not the robot or the table
    shown = overlay(there, wanted)
    grown = cv2.dilate(wanted.mask.astype(np.uint8), np.ones((5, 5))).astype(bool)
    assert (
        np.array_equal(shown[~grown], there[~grown])
        and np.abs(shown[wanted.mask].astype(int) - there[wanted.mask]).mean() > 10
    )
    half = overlay(cv2.resize(there, (160, 120)), Wanted(wanted.color, wanted.mask))
    assert half.shape == (120, 160, 3)
