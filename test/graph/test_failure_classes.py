"""Over the graph a failure gets the class that the same failure gets in the loop: an expert plays task files that it cannot fulfil."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from vipa import resources
from vipa_sim.trials import Trial, run_trial

pytestmark = pytest.mark.graph
WALL = 240  # seconds after which an episode is given up; nothing is measured by it


def weak(task):
    """Motion presses the cloth with 2 N, too lightly to wipe."""
    for subtask in task["subtasks"][1:]:
        subtask["force"]["target"] = 2.0


def brief(task):
    """There is time to reach for the can, not to lift it."""
    task["time_limit"] = 1.0


def elsewhere(task):
    """It is the plant that should be picked up, and the expert takes the can."""
    task["subtasks"][0]["params"]["object"] = "plant"


def aloft(task):
    """The hand closes over the can, and has nothing between its fingers."""
    task["hands"]["six_joint"]["can"]["height"] = 0.205


def beyond(task):
    """The can should be lifted higher than the expert lifts it to aim, where it waits."""
    task["subtasks"][0]["params"]["height"] = 0.4


ROWS = [
    pytest.param(
        "wipe_board", weak, 13.0, "", ["", "insufficient_pressure", "insufficient_pressure"], marks=pytest.mark.slow
    ),
    pytest.param("water_plant", brief, 1.0, "", ["out_of_time", "", ""]),
    pytest.param("water_plant", elsewhere, 12.0, "", ["wrong_region", "", ""], marks=pytest.mark.slow),
    pytest.param("water_plant", aloft, 10.0, "fr3_inspire", ["grasp_misaligned", "", ""], marks=pytest.mark.slow),
    pytest.param("water_plant", beyond, 14.0, "", ["stuck", "", ""], marks=pytest.mark.slow),
]


@pytest.mark.parametrize(
    "task, spoil, limit, robot, expected", ROWS, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_failure_has_the_class_that_it_has_in_the_loop(tmp_path, task, spoil, limit, robot, expected):
    data = yaml.safe_load(resources.find("tasks", task).read_text(encoding="utf-8"))
    spoil(data)
    data["time_limit"] = limit
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    here = run_trial(Trial(str(path), 2, robot=robot)).scorecard
    assert [s.failure_class or "" for s in here.subtasks] == expected
    assert [s["failure_class"] or "" for s in over_the_graph(tmp_path, robot)] == expected


def over_the_graph(tmp_path, robot) -> list[dict]:
    """The sub-tasks of the scorecard of an episode of own.yaml."""
    words = "-m vipa_cli.cli episode --task own.yaml --seed 2 --no-video --out runs".split()
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    line = [sys.executable, *words, *(["--robot", robot] if robot else [])]
    done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=WALL, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((tmp_path / "runs/latest/scorecard.json").read_text(encoding="utf-8"))["subtasks"]
