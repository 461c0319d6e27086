"""What a robot file is worth: reach where there is some, none where there is none, each with what to do."""

from dataclasses import replace

import numpy as np

from vipa.preflight import robot_check
from vipa.robot.description import Box, load_robot
from vipa.tasks.task import load_task

ROBOT = load_robot("fr3_single")


def levels(robot, tasks=()):
    found, _ = robot_check.findings(robot, list(tasks))
    return {f.name: f for f in found}


def test_what_an_arm_reaches_and_what_not():
    arm = ROBOT.groups[0]
    got = robot_check.reach(
        ROBOT, arm, np.array([[0.5, 0.0, 0.2], [0.45, -0.2, 0.15], [1.5, 0.0, 0.2], [0.0, 0.0, 0.05]])
    )
    assert got.share[0] == got.share[1] == 1.0  # in front of it
    assert got.share[2] == got.share[3] == 0.0  # far away; inside its own foot


def test_a_task_out_of_reach_is_an_error(monkeypatch):
    monkeypatch.setattr(robot_check, "RESTARTS", 2)
    task = load_task("water_plant")
    near = replace(task, randomisation={"can_min": [0.40, -0.2], "can_max": [0.5, -0.1]})
    far = replace(task, randomisation={"can_min": [1.4, -0.3], "can_max": [1.5, -0.1]})
    robot = replace(ROBOT, groups=[replace(ROBOT.groups[0], workspace=None)])
    found = levels(robot, [near])
    assert found["arm reaches water_plant"].level == "ok", found
    assert found["arm workspace"].level == "warning" and found["arm workspace"].fix
    found = levels(robot, [far])
    assert found["arm reaches water_plant"].level == "error" and "can 0%" in found["arm reaches water_plant"].detail


def test_limits_and_shapes_are_told():
    robot = replace(
        ROBOT,
        groups=[
            replace(
                ROBOT.groups[0], workspace=Box([0.4, -0.1, 0.1], [0.5, 0.1, 0.3]), max_velocity=[2.0, 3.5, *[2.0] * 5]
            )
        ],
    )
    found = levels(robot)
    assert (
        found["limits"].level == "warning" and "fr3_joint2: max_velocity is above the URDF's" in found["limits"].detail
    )
    assert found["collision model"].level == "ok" and "pairs kept apart" in found["collision model"].detail


def test_areas_of_tasks_are_found():
    assert [name for name, *_ in robot_check.areas(load_task("water_plant"))] == ["can", "plant"]
    grid = robot_check.places(np.array([0.0, 0.0]), np.array([1.0, 2.0]), (0.1, 0.2), 8)
    assert grid[:, :2].min() == 0 and grid[:, 1].max() == 2 and set(grid[:, 2]) == {0.1, 0.2}


def test_a_stretched_home_is_told_and_blamed_for_what_is_not_reached(monkeypatch):
    monkeypatch.setattr(robot_check, "RESTARTS", 1)
    arm = replace(ROBOT.groups[0], workspace=None)
    straight = replace(arm, home=[0.0, 0.0, 0.0, -0.18, 0.0, 0.9, 0.0])
    far = replace(load_task("water_plant"), randomisation={"can_min": [1.4, -0.3], "can_max": [1.5, -0.1]})
    bent, stretched = (levels(replace(ROBOT, groups=[group]), [far]) for group in (arm, straight))
    assert bent["arm home"].level == "ok" and "move the base" in bent["arm reaches water_plant"].fix
    assert stretched["arm home"].level == "warning" and "near-singular" in stretched["arm home"].detail
    assert "bend home first" in stretched["arm reaches water_plant"].fix


def test_a_task_without_ranges_is_not_left_out_in_silence():
    task = replace(load_task("water_plant"), randomisation={})
    found = levels(replace(ROBOT, groups=[replace(ROBOT.groups[0], workspace=None)]), [task])["arm reaches water_plant"]
    assert (found.level, found.detail) == ("warning", "no ranges in its file, not checked") and found.fix
