"""An own task file under a shipped name, over the graph: it is what the episode is scored by."""

import json
import os
import subprocess
import sys

import pytest

from vipa_ros import resources

pytestmark = pytest.mark.graph
WALL = 240  # seconds after which the test gives up; nothing is measured by it


def test_an_own_file_with_a_shipped_name_is_what_is_scored(tmp_path):
    text = resources.find("tasks", "water_plant").read_text(encoding="utf-8")
    mine = text[: text.index("  - name: locate plant")].replace("height: 0.05", "height: 0.04")
    (tmp_path / "own.yaml").write_text(mine, encoding="utf-8")
    line = [sys.executable, "-m", "vipa_ros.cli", "episode", "--runs", "runs", "--task", "own.yaml", "--seed", "1", "--no-video"]
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=WALL, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    card = json.loads((tmp_path / "runs/latest/scorecard.json").read_text(encoding="utf-8"))
    assert card["task"] == "water_plant" and card["success"]
    assert [s["name"] for s in card["subtasks"]] == ["pick up watering can"] and "wants > 40 mm" in card["subtasks"][0]["evidence"]
