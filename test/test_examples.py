"""The examples run, and show what they say."""

import runpy
import subprocess
import sys

import numpy as np
import pytest

from vipa import resources
from vipa.evaluation import plan as plans
from vipa_cli.cli import main

EXAMPLES = resources.root() / "examples"


def run(name: str, *words):
    """What the `main` of examples/<name>.py returns."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](*words)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """The run folder of an episode of the own task with the own robot, with its bag."""
    runs = tmp_path_factory.mktemp("runs")
    files = ["--task", str(EXAMPLES / "own_task.yaml"), "--robot", str(EXAMPLES / "own_robot.yaml")]
    with pytest.raises(SystemExit, match="0"):
        main(["episode", *files, "--in-process", "--no-video", "--require-success", "--out", str(runs)])
    return runs / "latest"


def test_an_episode_in_python(capsys):
    run("run_episode", "water_plant", "7")
    assert "seed 7: success" in capsys.readouterr().out


def test_an_own_commander():
    assert run("own_commander") == pytest.approx(0.1, abs=0.002)


def test_the_policy_in_gymnasium():
    assert run("gym_policy", 1) == 3


def test_a_bag_in_numpy(run_folder):
    arrays = run("read_bag", str(run_folder))
    assert arrays["joints"].shape[1] == 8 and len(arrays["tool"]) == len(arrays["joints"]) > 300
    assert np.ptp(arrays["tool"][:, 2]) > 0.05, "the tool was lifted"
    assert arrays["scene"].shape == (240, 320, 3) and arrays["scene"].std() > 10


def test_a_policy_is_asked_by_another_process():
    done = subprocess.run(
        [sys.executable, EXAMPLES / "ask_policy.py"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        encoding="utf-8",
    )
    assert "arm: 16 poses, 0.1 s apart" in done.stdout


def test_each_file_is_short_and_listed():
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in (*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.yaml")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 60 and f"({path.name})" in listed


@pytest.mark.parametrize("plan", sorted((EXAMPLES / "plans").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_plan_can_be_run(plan):
    assert plans.load(plan).commanders
