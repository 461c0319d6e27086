"""`vipa calibrate` against a cell that runs: guided poses through the gate, a result within bounds, a reference, delays that were put in."""

import json
import os
import signal
import subprocess
import sys

import pytest

from helpers.standing_cell import domain_of, standing_cell
from vipa import resources
from vipa.robot import calibrated

pytestmark = pytest.mark.graph
WALL = 400  # seconds after which a test gives up; nothing is measured by it


@pytest.fixture
def standing(tmp_path):
    """The ROS domain of a cell with a board on the table, whose arms lag by 40 ms."""
    task = resources.root() / "examples/tasks/board_on_table.yaml"
    line = ["--task", str(task), "--following", "lag=0.04", "--out", str(tmp_path / "cell")]
    with standing_cell(tmp_path, *line, says="ROS domain", wall=WALL) as (process, said):
        yield domain_of(said)
        process.send_signal(signal.SIGINT)
        process.wait(30)


def vipa(domain, *words):
    env = {**os.environ, "ROS_DOMAIN_ID": domain}
    done = subprocess.run([sys.executable, "-m", "vipa_cli.cli", *words], env=env, capture_output=True, text=True, encoding="utf-8",
                          timeout=WALL, check=False)  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_cell_is_calibrated(standing, tmp_path):
    out = str(tmp_path / "calibration")
    line = ["calibrate", "hand-eye", "wrist", "--poses", "12", "--out", out, "--json"]
    status, said, err = vipa(standing, *line)
    assert status == 2 and "bring the board into the picture first" in err  # at home the wrist camera does not see it
    status, said, err = vipa(standing, "calibrate", "latency", "wrist", "--joint", "fr3_joint7", "--out", out, "--json")
    found = json.loads(said)
    assert status == 0, err
    assert found["command"]["arm"]["seconds"] == pytest.approx(0.04, abs=0.012), found
    assert abs(found["camera"]["wrist"]["seconds"]) < 0.02, found
    kept = calibrated.load(tmp_path / "calibration/calibration.yaml")
    assert kept.command_latency["arm"] == pytest.approx(found["command"]["arm"]["seconds"], abs=1e-3)
