"""The robot ur5e_single in the simulated cell: the scripted commander waters the plant with it."""

import dataclasses

import pytest

from vipa.commanders.expert.commander import Expert
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.cell import SimCell
from vipa_sim.loop import Loop, run_episode


def test_the_expert_waters_the_plant():
    task, robot = load_task("water_plant"), load_robot("ur5e_single")
    with Loop(task, robot) as loop:
        record = run_episode(task, robot, Expert(robot, task), 2, "black", loop=loop)
    assert record.scorecard.success, record.scorecard.failure
    assert not record.refused and not record.stops


def test_what_is_out_of_reach_is_said_in_one_line():
    task = load_task("water_plant")
    far = dataclasses.replace(
        task, randomisation=task.randomisation | {"can_min": [0.90, -0.34], "can_max": [0.95, -0.30]}
    )
    with pytest.raises(VipaError, match="no reachable places for can and plant in 500 draws; see randomisation"):
        SimCell(load_robot("ur5e_single"), far, cameras=())
