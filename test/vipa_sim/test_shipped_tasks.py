"""A task file is all that registers a task."""

import dataclasses

import gymnasium
import pytest

from vipa import resources
from vipa.commanders.expert import scripts
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim import envs
from vipa_sim.scenes import load_scene


@pytest.mark.parametrize("name", resources.names("tasks"))
def test_every_task_has_a_scene_a_script_and_an_environment(name):
    task = load_task(name)
    load_scene(task)
    played = scripts.scripts_of(task, load_robot(task.robot))
    assert played and all(map(callable, played.values()))
    ids = [key for key, known in envs.ENVIRONMENTS.items() if known == name]
    assert len(ids) == 1 and ids[0] in gymnasium.registry


def test_a_task_may_have_another_script_than_its_scenes():
    task = load_task("water_plant")
    other = dataclasses.replace(task, expert="put_three_obj", subtasks=load_task("put_three_obj").subtasks)
    robot = load_robot(task.robot)
    assert scripts.scripts_of(task, robot)["arm"] is not scripts.scripts_of(other, robot)["arm"]


@pytest.mark.parametrize("name", ["nope", "../envs", "__init__", "vipa_sim.cell"])
def test_a_name_that_leads_nowhere_is_refused_with_those_that_exist(name):
    task = dataclasses.replace(load_task("water_plant"), scene=name)
    for find in (load_scene, lambda task: scripts.scripts_of(task, load_robot(task.robot))):
        with pytest.raises(VipaError, match=f"'{name}'; allowed: .*put_three_obj, .*water_plant"):
            find(task)
