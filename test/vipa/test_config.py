"""Files are read strictly; what is wrong with them is said in one line."""

import re
from pathlib import Path

import pytest
import yaml

from vipa import config, resources
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_ros.bringup import episode_graph
from vipa_ros.bringup.episode_graph import EpisodeConfig
from vipa_ros.bringup.process import ProcessSpec, command


@pytest.mark.parametrize("name", resources.names("tasks"))
def test_every_task_that_ships_loads_with_its_robot(name):
    task = load_task(name)
    robot = load_robot(task.robot)
    assert task.name == name
    assert set(task.cameras) <= {c.name for c in robot.cameras}
    assert robot.urdf_path.is_file()


def spoil(tmp_path, name, change):
    """The shipped file `name` with `change` applied to its data."""
    data = yaml.safe_load(resources.find("tasks", name).read_text(encoding="utf-8"))
    change(data)
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: d.update(colour=1), r"unknown key\(s\) colour; allowed: name, instruction, robot"),
        (lambda d: d.pop("robot"), r"missing key\(s\) robot"),
        (lambda d: d.update(time_limit="long"), "time_limit: expected float, got 'long'"),
        (lambda d: d.update(time_limit=-1), "time_limit: -1; allowed: above 0, to 86400"),
        (lambda d: d["subtasks"][0].update(after=["x"]), r"after names \['x'\]; allowed: open drawer"),
        (lambda d: d["subtasks"][0].update(evidence="guess"), "'guess' is not allowed; allowed: sim, vision, operator"),
        (lambda d: d.update(seen=["pink"]), r"seen: \['pink'\]; allowed: crimson"),
        (lambda d: d.update(cameras="scene"), "cameras: expected a list, got 'scene'"),
    ],
)
def test_a_spoilt_task_file_is_refused_with_its_place(tmp_path, change, message):
    path = spoil(tmp_path, "put_three_obj", change)
    with pytest.raises(VipaError, match=message) as caught:
        load_task(path)
    assert str(caught.value).startswith(path) and "\n" not in str(caught.value)


def test_names_that_do_not_exist_list_those_that_do():
    with pytest.raises(VipaError, match="unknown task 'nope'; allowed: .*put_three_obj"):
        load_task("nope")
    with pytest.raises(VipaError, match="unknown robot 'nope'; allowed: .*fr3_single"):
        load_robot("nope")


def test_what_is_not_yaml_is_refused(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("a: [1", encoding="utf-8")
    with pytest.raises(VipaError, match=f"{re.escape(str(path))}: not YAML"):
        config.load(path, EpisodeConfig)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"task": "nope"}, "unknown task"),
        ({"robot": "nope"}, "unknown robot"),
        ({"cell": "moon"}, "unknown cell 'moon'; allowed: real, sim"),
        ({"variant": "pink"}, "unknown variant 'pink'; allowed: crimson"),
        ({"policy": "nowhere"}, "unknown policy 'nowhere'; names here: expert, water_plant.*; allowed: "),
        ({"speed": -1.0}, "speed: -1.0; allowed: 0 to 1000"),
    ],
)
def test_an_episode_that_cannot_run_is_refused_before_anything_starts(change, message):
    with pytest.raises(VipaError, match=message):
        EpisodeConfig(**{"task": "put_three_obj", **change}).checked()


def test_the_graph_has_one_leader_and_distinct_names():
    specs = episode_graph.episode_graph(EpisodeConfig("put_three_obj").checked())
    assert [s.name for s in specs if s.leader] == ["episode"]
    assert len({s.name for s in specs}) == len(specs)


def test_parameters_keep_their_types_on_the_command_line():
    spec = ProcessSpec("n", "sim", {"a": "on", "b": True, "c": 3, "d": 0.5, "e": "", "f": "12"})
    line = command(spec, Path())
    values = [line[i + 1] for i, word in enumerate(line) if word == "-p"]
    assert values == ["a:='on'", "b:=true", "c:=3", "d:=0.5", "f:='12'"]
