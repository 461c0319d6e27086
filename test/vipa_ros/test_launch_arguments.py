"""The launch files take what `vipa` takes, and nothing else."""

import argparse
import re

import pytest

from vipa import resources
from vipa.errors import VipaError
from vipa_cli.commands import arguments, cell, episode
from vipa_ros.bringup import launch_arguments
from vipa_ros.bringup.episode_graph import CELL_ARGUMENTS, EpisodeConfig


def test_names_and_defaults_are_those_of_the_command_line():
    parser = argparse.ArgumentParser()
    episode.arguments(parser)
    args = parser.parse_args(["--task", launch_arguments.TASK])
    table = launch_arguments.table()
    assert {n: launch_arguments.typed(n, kind, launch_arguments.text(d)) for n, (kind, d, _) in table.items()} == {
        n: getattr(args, n) for n in table
    }
    assert arguments.config(args) == EpisodeConfig(**{n: d for n, (_, d, _) in table.items()})
    assert set(vars(args)) - set(table) == {"out", "no_video", "in_process", "json", "document", "verbose"}


def test_a_cell_takes_its_share():
    parser = argparse.ArgumentParser()
    cell.arguments(parser)
    args = parser.parse_args(["--seed", "3"])
    assert arguments.config(args, CELL_ARGUMENTS) == EpisodeConfig(launch_arguments.TASK, seed=3)


@pytest.mark.parametrize("name, kind, value, message", [
    ("seed", int, "x", "launch argument seed:='x'; allowed: int"),
    ("speed", float, "fast", "launch argument speed:='fast'; allowed: float"),
    ("move_group", bool, "yes", "unknown value of move_group 'yes'; allowed: false, true"),
])  # fmt: skip
def test_a_value_of_another_type_is_refused_by_name(name, kind, value, message):
    with pytest.raises(VipaError, match=re.escape(message)):
        launch_arguments.typed(name, kind, value)


def test_a_typo_is_refused_by_name_where_ours_is_the_file_that_is_launched():
    line = ["/opt/ros/jazzy/bin/ros2", "launch", "vipa_ros", "episode.launch.py", "tsk:=water_plant"]
    with pytest.raises(
        VipaError, match=r"unknown launch argument 'tsk' \(did you mean 'task'\?\); allowed: seed, task"
    ):
        launch_arguments.refuse_unknown("episode.launch.py", ("task", "seed"), ["tsk:=water_plant"], line)
    launch_arguments.refuse_unknown("episode.launch.py", ("task",), ["task:=water_plant", "launch-prefix:=gdb"], line)
    included = ["ros2", "launch", "mine", "all.launch.py", "rviz:=true"]
    launch_arguments.refuse_unknown("episode.launch.py", ("task",), ["rviz:=true"], included)


@pytest.mark.parametrize("name", ["episode", "cell", "moveit", "teleop", "evaluate"])
def test_every_launch_file_takes_its_arguments_from_there(name):
    source = (resources.root() / "launch" / f"{name}.launch.py").read_text(encoding="utf-8")
    assert re.search(r"launching\.description\(\s*__file__, ", source) and "DeclareLaunchArgument" not in source


def test_the_launched_set_is_the_commands():
    values = {"plan": "a plan.yaml", "out": "there", "pictures": False, "terminal": "xterm -e"}
    line = launch_arguments.evaluate_command(values, "python3")
    assert line == [
        "xterm",
        "-e",
        "python3",
        "-m",
        "vipa_cli.cli",
        "evaluate",
        "a plan.yaml",
        "--graph",
        "--out",
        "there",
        "--no-pictures",
    ]
    assert set(values) == set(launch_arguments.EVALUATE)
    with pytest.raises(VipaError, match="launch argument out must be set"):
        launch_arguments.evaluate_command(values | {"out": ""}, "python3")
