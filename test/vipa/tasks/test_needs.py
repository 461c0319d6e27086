"""What a task needs of a robot: a robot that lacks it is refused by name, wherever the two meet."""

import dataclasses

import pytest

from vipa.commanders.expert.commander import Expert
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import Needs, load_task
from vipa_ros.bringup.episode_graph import EpisodeConfig
from vipa_sim.loop import Loop

TASK = load_task("insert_flower")
LACKS = r"task 'insert_flower': robot 'fr3_single' lacks 2 arms \(it has 1\) and a head"


@pytest.mark.parametrize("meet", [Loop, lambda task, robot: Expert(robot, task)])
def test_one_arm_is_refused_in_the_loop_and_by_the_expert(meet):
    with pytest.raises(VipaError, match=LACKS):
        meet(TASK, load_robot("fr3_single"))


@pytest.mark.parametrize("cell", ["sim", "real"])
def test_and_before_a_graph_is_started(cell):
    with pytest.raises(VipaError, match=LACKS):
        EpisodeConfig(
            task="insert_flower", robot="fr3_single", cell=cell, driver="franka" if cell == "real" else ""
        ).checked()


def test_other_hands_are_refused():
    robot = load_robot("fr3_dual")
    assert TASK.needs.refusal(robot) == ""
    bare = dataclasses.replace(robot, groups=[dataclasses.replace(g, hand=None) for g in robot.groups])
    assert TASK.needs.refusal(bare) == "robot 'fr3_dual' lacks parallel hands (it has none)"
    six = load_robot("fr3_inspire")
    assert "it has six_joint" in Needs(hand="parallel").refusal(six)
    assert Needs().refusal(six) == ""
