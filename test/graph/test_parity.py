"""The graph in lock-step and the in-process loop give the same sub-tasks. Times may differ: motion is waited for, a commander
on a busy machine is not."""

import json
import os
import subprocess
import sys

import pytest

from vipa_ros.evaluation.trials import Trial, run_trial

pytestmark = pytest.mark.graph


@pytest.mark.parametrize("seed", [3, 8])
def test_the_same_seed_gives_the_same_sub_tasks(tmp_path, seed):
    line = [sys.executable, "-m", "vipa_ros.cli", "episode", "--task", "water_plant", "--seed", str(seed), "--no-video"]
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    done = subprocess.run([*line, "--runs", str(tmp_path)], env=env, capture_output=True, text=True, timeout=240, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    graph = json.loads((tmp_path / "latest/scorecard.json").read_text(encoding="utf-8"))
    loop = run_trial(Trial("water_plant", seed)).scorecard
    assert [s["status"] for s in graph["subtasks"]] == [s.status for s in loop.subtasks]
    assert graph["variant"] == loop.variant
