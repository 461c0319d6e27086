"""What `motion_backend: auto` takes, and what it says."""

import dataclasses
import subprocess
import sys

import pytest

from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa_ros.bringup import motion_backend
from vipa_ros.bringup.episode_graph import EpisodeConfig, episode_graph, standing_graph
from vipa_ros.preflight import run as preflight

REAL = {"task": "water_plant", "policy": "water_plant", "cell": "real", "driver": "ur", "robot": "ur5e_single"}


@pytest.fixture
def servo_installed(tmp_path, monkeypatch):
    program = tmp_path / "ros/lib/moveit_servo/servo_node"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "ros"), prepend=":")
    return program


def motion_of(specs):
    return next(spec.parameters["motion_backend"] for spec in specs if spec.name == "motion")


def test_a_real_cell_takes_servo_where_it_is_installed(servo_installed, capsys):
    config = EpisodeConfig(**REAL).checked()
    assert [spec.executable for spec in motion_backend.servo_nodes(config)] == ["servo_node"]
    assert motion_of(episode_graph(config)) == motion_of(standing_graph(config)) == "moveit"
    motion_backend.say(config)
    assert capsys.readouterr().out == "motion backend moveit (auto: MoveIt Servo is installed)\n"


def test_a_real_cell_without_servo_is_embedded_and_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/nowhere")
    config = EpisodeConfig(**REAL).checked()
    assert motion_backend.servo_nodes(config) == [] and motion_of(episode_graph(config)) == "embedded"
    motion_backend.say(config)
    said = capsys.readouterr().out
    assert said.startswith("motion backend embedded (auto: package moveit_servo is not installed: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("change, why", [
    ({"control_rate": 40.0}, "control_rate 40 Hz is below the 50 Hz that MoveIt Servo needs"),
    ({"name": "mine"}, "config/moveit/mine/servo.yaml: not there; `vipa robot moveit mine` writes it"),
    ({"name": "fr3_single"}, "not what the robot file gives; `vipa robot moveit fr3_single` writes them"),
])  # fmt: skip
def test_a_robot_that_servo_cannot_serve_is_embedded_and_says_why(servo_installed, change, why):
    robot = dataclasses.replace(load_robot("ur5e_single"), **change)
    found = motion_backend.chosen("auto", robot, "real")
    assert found["motion_backend"] == "embedded" and why in found["motion_backend_why"], found


def test_a_simulated_cell_is_embedded_at_any_speed(servo_installed):
    for speed in (0.0, 1.0, 5.0):
        config = EpisodeConfig("water_plant", speed=speed).checked()
        assert config.motion_backend == "embedded" and config.motion_backend_why.startswith("a simulated cell")
        assert motion_backend.servo_nodes(config) == []


def test_what_is_asked_for_by_name_is_taken_or_refused(monkeypatch, capsys):
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/nowhere")
    config = EpisodeConfig(**REAL, motion_backend="moveit").checked()
    with pytest.raises(VipaError, match="package moveit_servo is not installed: .*; or: motion backend embedded"):
        motion_backend.servo_nodes(config)
    embedded = EpisodeConfig(**REAL, motion_backend="embedded").checked()
    assert motion_backend.servo_nodes(embedded) == []
    for named in (config, embedded):
        motion_backend.say(named)
    assert not capsys.readouterr().out


def test_a_checked_request_stays_what_it_is(servo_installed, monkeypatch):
    once = EpisodeConfig(**REAL).checked()
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/nowhere")  # MoveIt is taken away under way
    assert once.checked() == once


def test_preflight_of_an_episode_does_not_wait_for_the_servo_that_the_episode_starts(servo_installed, monkeypatch):
    """The graph starts Servo after the look."""
    asked = []

    def look(robot, env, hardware, cameras="", moveit=False):
        asked.append(moveit)
        return []

    monkeypatch.setattr(preflight.doctor, "shared_memory", lambda: preflight.Finding("shared memory", "ok", ""))
    preflight.before_real_episode(EpisodeConfig(**REAL).checked(), {}, look)
    assert asked == [False]


def test_an_unknown_name_is_refused_by_the_command(tmp_path):
    line = [sys.executable, "-m", "vipa_cli.cli", "episode", "--task", "water_plant", "--motion-backend", "magic"]
    done = subprocess.run(line, capture_output=True, text=True, encoding="utf-8", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "unknown motion backend 'magic'; allowed: auto, embedded, moveit" in done.stderr
