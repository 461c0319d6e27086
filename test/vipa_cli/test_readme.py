"""Every command of the README is executed by a test: the quick ones here, as they stand; the others by the tests named here."""

import re
import subprocess
import sys

import pytest

from helpers.synthetic_bag import write_episode
from vipa import resources

ROOT = resources.root()
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [" ".join(line.split()) for line in re.findall(r"^\.venv/bin/vipa (.*?)(?:\s+#.*)?$", README, re.MULTILINE)]
HERE = ("task show", "robot list", "calibrate board", "bag info")
ELSEWHERE = {
    "episode": "test/graph/test_graph_episode.py",
    "episode --task insert_flower": "test/vipa/commanders/expert/test_insert_flower.py",
    "episode --task water_plant --motion-backend": "test/vipa_ros/moveit/test_servo_episode.py",
    "cell": "test/graph/test_standing_cell.py",
    "console": "test/graph/test_console.py",
    "view": "test/graph/test_view.py",
    "compare": "test/vipa_cli/test_evaluate.py",
    "report runs/sets": "test/vipa/reporting/test_set_report.py",
    "robot check": "test/vipa_cli/test_tutorials.py",
    "evaluate": "test/vipa_cli/test_evaluate.py",
    "demos": "test/vipa_sim/test_demos.py",
    "dataset align": "test/vipa_sim/alignment/test_alignment.py",
    "dataset build": "test/vipa/dataset/test_command.py",
    "dataset edit trim": "test/vipa/dataset/test_edit.py",
    "dataset import": "test/vipa/dataset/test_import.py",
    "dataset show": "test/vipa_cli/test_dataset_show.py",
    "train": "test/vipa_model/test_training.py",
    "export": "test/vipa_model/test_checkpoint_files.py",
    "serve": "test/vipa/serving/test_serve_command.py",
    "teleop": "test/graph/test_teleop.py",
    "replay": "test/vipa_cli/test_replay.py",
    "record": "test/graph/test_record.py",
    "operator": "test/graph/test_operator.py",
    "report runs/latest": "test/vipa/reporting/test_report.py",
    "doctor": "test/test_packaging.py",
}


def named(command: str, names) -> str | None:
    return max((n for n in names if command.startswith(n)), key=len, default=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the run that the README's commands name: runs/latest with a bag."""
    root = tmp_path_factory.mktemp("readme")
    (root / "runs/latest").mkdir(parents=True)
    write_episode(root / "runs/latest/bag", 1.0)
    return root


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_executed_by_a_test(command):
    if named(command, HERE):
        return
    where = named(command, ELSEWHERE)
    assert where, f"vipa {command}: no test is named for it"
    text = (ROOT / ELSEWHERE[where]).read_text(encoding="utf-8")
    assert where.split()[-1].lstrip("-") in text or where.split()[0] in text, (
        f"{ELSEWHERE[where]} says nothing of {where}"
    )


@pytest.mark.parametrize("command", [c for c in COMMANDS if named(c, HERE)])
def test_quick_commands_do_what_they_say(command, folder):
    line = [sys.executable, "-m", "vipa_cli.cli", *command.split()]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


def test_the_readme_shows_commands():
    assert len(COMMANDS) > 25 and sum(bool(named(c, HERE)) for c in COMMANDS) == len(HERE)
