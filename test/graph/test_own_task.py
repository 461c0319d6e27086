"""An own task file under a shipped name, over the graph: it is what the episode is scored by."""

import json
import os
import subprocess
import sys

import pytest

from vipa import resources
from vipa.recording.reader import BagReader

pytestmark = pytest.mark.graph
WALL = 240  # seconds after which the test gives up; nothing is measured by it


def played(tmp_path, task: str) -> str:
    """What an episode over the graph of the task file that says `task` printed; its runs are below tmp_path."""
    (tmp_path / "own.yaml").write_text(task, encoding="utf-8")
    words = "episode --out runs --task own.yaml --seed 1 --no-video".split()
    line = [sys.executable, "-m", "vipa_cli.cli", *words]
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=WALL, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_own_file_with_a_shipped_name_is_what_is_scored(tmp_path):
    text = resources.find("tasks", "water_plant").read_text(encoding="utf-8")
    mine = text[: text.index("  - name: locate plant")].replace("height: 0.05", "height: 0.04")
    played(tmp_path, mine)
    card = json.loads((tmp_path / "runs/latest/scorecard.json").read_text(encoding="utf-8"))
    assert card["task"] == "water_plant" and card["success"]
    assert [s["name"] for s in card["subtasks"]] == ["pick up watering can"] and "wants > 40 mm" in card["subtasks"][0][
        "evidence"
    ]


def test_force_and_tool_of_a_sub_task_reach_motion_and_end_with_it(tmp_path):
    """In what motion says of itself, as recorded: nothing, what the first sub-task wants, nothing again."""
    text = resources.find("tasks", "water_plant").read_text(encoding="utf-8")
    first = "    params: {object: can, height: 0.05}\n"
    wanted = "    force: {target: 0.5, damping: 20000.0}\n    held: {name: sponge, size: [0.01, 0.01, 0.01]}\n    contacts: [[sponge, table]]\n"
    mine = text[: text.index("  - name: press spray handle")].replace(first, first + wanted)
    printed = played(tmp_path, mine)
    seen = []
    with BagReader(tmp_path / "runs/latest/bag") as bag:
        for message in bag.messages(["/vipa/safety_status"]):
            data = message.data
            target = dict(zip(data.limit_names, data.limit_values))["arm.force_target"]
            if (now := (target, list(data.allowed_contacts))) not in seen[-1:]:
                seen.append(now)
    assert seen[-2:] == [(0.5, ["sponge|table"]), (0.0, [])], printed
