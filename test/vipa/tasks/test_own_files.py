"""A user's own task and robot files: the file that is given is the one that is used, whatever it is called."""

import dataclasses
import re
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.own_file import own
from vipa import config, resources
from vipa.commanders.expert.commander import Expert
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_ros.bringup import episode_graph
from vipa_ros.bringup.episode_graph import EpisodeConfig
from vipa_sim import demos, trials
from vipa_sim.cell import SimCell
from vipa_sim.loop import Loop


def test_the_scene_is_drawn_by_scene_and_seed_alone(tmp_path):
    renamed = load_task(own(tmp_path, "water_plant", ("name: water_plant", "name: mine")))
    robot = load_robot("fr3_single")
    mine, shipped = SimCell(robot, renamed, cameras=()), SimCell(robot, load_task("water_plant"), cameras=())
    for seed in (0, 7):
        a, b = mine.reset(seed), shipped.reset(seed)
        assert a.task == "mine" and (a.poses, a.variant, a.appearance) == (b.poses, b.variant, b.appearance)
    assert a.task_sha256 != b.task_sha256 and a.robot_sha256 == b.robot_sha256


@pytest.mark.parametrize("name", resources.names("tasks"))
def test_the_tasks_that_ship_are_called_as_their_scenes(name):
    assert load_task(name).scene == name  # their seeds' draws, and all that was measured with them, stay what they were


def test_an_own_task_is_played_and_scored_by_its_own_file(tmp_path):
    path = own(tmp_path, "water_plant", ("height: 0.05", "height: 0.04"), ("name: water_plant", "name: mine"))
    outcome = trials.run_trial(trials.Trial(path, 0))
    assert outcome.scorecard.task == "mine" and outcome.scorecard.subtasks[0].status == "done"
    assert "wants > 40 mm" in outcome.scorecard.subtasks[0].evidence


def test_the_expert_plays_what_an_own_task_asks_for(tmp_path):
    task = load_task(own(tmp_path, "put_three_obj", ("name: put_three_obj", "name: mine")))
    apple = dataclasses.replace(task, subtasks=[dataclasses.replace(task.subtasks[1], after=[])])
    with Loop(apple, load_robot("fr3_single")) as loop:
        loop.reset(0, "", "expert")
        expert = Expert(loop.robot, apple)
        assert expert.task is apple and list(expert.parts) == ["arm"]


def test_demonstrations_of_an_own_task_are_of_its_file(tmp_path):
    path = own(tmp_path, "water_plant", ("name: water_plant", "name: mine"), ("near: 0.02", "near: 0.03"))
    collector = demos.Collector(demos.DemoConfig(path, str(tmp_path / "store"), image_size=16))
    assert collector.task == load_task(path)
    collector.loop.close()


def test_the_graph_is_told_the_file_and_its_fingerprint(tmp_path, monkeypatch):
    own(tmp_path, "water_plant")
    monkeypatch.chdir(tmp_path)
    checked = EpisodeConfig("own.yaml").checked()
    path = str(tmp_path / "own.yaml")
    pin = config.pinned(path, load_task(path))
    told = {s.name: s.parameters.get("task") for s in episode_graph.episode_graph(checked)}
    assert told == {"sim": pin, "motion": pin, "expert": pin, "task_manager": pin, "recorder": None, "episode": pin}
    assert load_task(pin) == load_task(path)
    robots = {s.parameters["robot"] for s in episode_graph.episode_graph(checked) if "robot" in s.parameters}
    assert len(robots) == 1 and load_robot(robots.pop()) == load_robot("fr3_single")


def test_a_file_that_has_changed_since_is_refused(tmp_path):
    path = own(tmp_path, "water_plant")
    pin = config.pinned(path, load_task(path))
    own(tmp_path, "water_plant", ("hold: 0.5", "hold: 0.4"))
    with pytest.raises(VipaError, match="own.yaml: is not what was read when this was asked for"):
        load_task(pin)
    robot = own(tmp_path, "fr3_single", folder="config/robots")
    pin = config.pinned(robot, load_robot(robot))
    own(tmp_path, "fr3_single", ("force_cap: 40.0", "force_cap: 400.0"), folder="config/robots")
    with pytest.raises(VipaError, match="own.yaml: is not what was read when this was asked for"):
        load_robot(pin)


def test_a_fingerprint_is_of_what_a_file_says(tmp_path):
    shipped = load_task("water_plant")
    assert config.fingerprint(load_task(own(tmp_path, "water_plant", ("# seconds", "# s")))) == config.fingerprint(
        shipped
    )
    changed = load_task(own(tmp_path, "water_plant", ("time_limit: 30.0", "time_limit: 31.0")))
    assert config.fingerprint(changed) != config.fingerprint(shipped)


@pytest.mark.parametrize("what", ["task", "robot"])
def test_a_cell_of_another_file_than_the_scorer_s_is_refused(what):
    pytest.importorskip("rclpy")
    from vipa_ros.episode.services import check_card

    run = SimpleNamespace(task_sha256="a" * 64, robot_sha256="b" * 64)
    card = {"task_sha256": "a" * 64, "robot_sha256": "b" * 64}
    check_card(card, run)
    check_card({"variant": ""}, run)  # a real cell's
    with pytest.raises(VipaError, match=f"the cell was started for another {what} file"):
        check_card(card | {f"{what}_sha256": "c" * 64}, run)


def test_a_urdf_beside_an_own_robot_file_goes_before_one_that_ships(tmp_path):
    shipped = load_robot("fr3_single")
    urdf = tmp_path / "fr3_single" / "fr3_single.urdf"
    urdf.parent.mkdir()
    path = own(tmp_path, "fr3_single", folder="config/robots")
    assert load_robot(path).urdf_path == shipped.urdf_path
    urdf.write_text(
        re.sub(r'upper="[^"]*"', 'upper="2.0"', shipped.urdf_path.read_text(encoding="utf-8"), count=1),
        encoding="utf-8",
    )
    mine = load_robot(path)
    assert mine.urdf_path == urdf
    joint = SimCell(mine, load_task("water_plant"), cameras=()).model.joint("fr3_joint1")
    assert np.isclose(joint.range[1], 2.0)
