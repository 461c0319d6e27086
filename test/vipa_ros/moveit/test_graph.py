"""What moveit.launch.py starts: one motion node with the MoveIt backend, a Servo node an arm, perhaps move_group."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from vipa import resources
from vipa.errors import VipaError
from vipa.moveit import parameters
from vipa.moveit.names import servo_node
from vipa.robot.description import load_robot
from vipa_ros.bringup import moveit_graph, process
from vipa_ros.bringup.episode_graph import EpisodeConfig, cell_graph
from vipa_ros.common import lifeline


def test_motion_gets_the_backend_and_a_planner_of_its_own():
    specs = {
        s.name: s
        for s in moveit_graph.with_moveit(
            cell_graph(EpisodeConfig("water_plant", robot="fr3_single")), "fr3_single", "water_plant", True
        )
    }
    assert specs["motion"].parameters["motion_backend"] == specs["planner"].parameters["motion_backend"] == "moveit"
    assert set(specs) == {"sim", "motion", "planner"} and "motion_backend" not in specs["sim"].parameters


def test_a_real_cell_keeps_its_driver_and_has_one_planner():
    cell = cell_graph(EpisodeConfig("water_plant", robot="fr3_single", cell="real", driver="franka"))
    specs = moveit_graph.with_moveit(cell, "fr3_single", "water_plant", False)
    assert [s.name for s in specs] == ["motion", "planner", "robot", "gripper"]
    assert [s.parameters.get("motion_backend") for s in specs] == ["moveit", "moveit", None, None]


@pytest.mark.parametrize("move_group", [True, False])
@pytest.mark.parametrize("name", resources.names("config/robots"))
def test_every_servo_keeps_a_scene_of_its_own_and_nobody_executes(name, move_group):
    robot = load_robot(name)
    nodes = moveit_graph.moveit_nodes(robot, move_group, use_sim_time=True)
    servos = [n for n in nodes if n.package == "moveit_servo"]
    assert [f"{n.namespace}/{n.name}" for n in servos] == [servo_node(g.name) for g in robot.arms]
    assert all(n.parameters["moveit_servo"]["is_primary_planning_scene_monitor"] for n in servos)
    assert len({n.namespace for n in nodes}) == len(nodes) == len(servos) + move_group, "their services do not meet"
    controllers = {c for g in robot.groups for c in (g.controller, g.hand.controller if g.hand else "") if c}
    for node in nodes:
        assert node.parameters["use_sim_time"] is True
        assert node.parameters["robot_description"].lstrip().startswith("<?xml")
        out = node.parameters.get("moveit_servo", {}).get("command_out_topic", "/vipa/")
        assert out.startswith("/vipa/") and not any(c in out for c in controllers)
        yaml.safe_dump(node.parameters)  # plain values only, as launch_ros and moveit_py want them
    if move_group:
        assert nodes[0].parameters["allow_trajectory_execution"] is False
    assert parameters.moveit_py(robot, True)["allow_trajectory_execution"] is False


def test_nodes_are_started_from_what_is_installed_and_missed_where_it_is_not(tmp_path, monkeypatch):
    nodes = moveit_graph.moveit_nodes(load_robot("fr3_dual"), False, True)
    program = tmp_path / "b" / "lib" / "moveit_servo" / "servo_node"
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    with pytest.raises(VipaError, match="package moveit_servo is not installed: no lib/moveit_servo/servo_node in "):
        process.command(nodes[0], tmp_path)
    program.parent.mkdir(parents=True)
    program.touch()
    assert [node.label for node in nodes] == ["vipa_left_servo", "vipa_right_servo"]
    left, right = (process.command(node, tmp_path) for node in nodes)
    tied = lifeline.tied([str(program)])
    assert left[:-2] == [*tied, "--ros-args", "-r", "__node:=servo", "-r", "__ns:=/vipa/left"]
    written = yaml.safe_load(Path(right[-1]).read_text(encoding="utf-8"))
    assert written["/**"]["ros__parameters"] == nodes[1].parameters
    keywords = process.launch_keywords(nodes[0])
    assert (keywords["package"], keywords["executable"]) == ("moveit_servo", "servo_node")
    assert keywords["prefix"] == " ".join(lifeline.tied([])) and keywords["respawn"]


def test_a_robot_without_its_files_is_refused_with_the_remedy():
    robot = dataclasses.replace(load_robot("fr3_single"), name="mine")
    with pytest.raises(VipaError, match=r"config/moveit/mine/.*not there.*`vipa robot moveit mine` writes it"):
        moveit_graph.moveit_nodes(robot, True, True)
