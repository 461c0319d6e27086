"""A cell that stands without an episode: e-stop, re-arm and home as often as one likes, until Ctrl-C."""

import os
import signal
import subprocess
import sys

import pytest

from helpers.processes import processes_of
from helpers.standing_cell import domain_of, standing_cell
from vipa_ros.common import lifeline

pytestmark = pytest.mark.graph
WALL = 240  # seconds after which a test gives up; nothing is measured by it


def operator(domain, ask):
    env = {**os.environ, "ROS_DOMAIN_ID": domain}
    done = subprocess.run([sys.executable, "-m", "vipa_cli.cli", "operator", ask], env=env, capture_output=True, text=True, encoding="utf-8",
                          timeout=WALL, check=False)  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def standing(tmp_path):
    """(`vipa cell` as a process, its ROS domain, the pids of its nodes)."""
    with standing_cell(tmp_path, "--task", "water_plant", "--out", str(tmp_path), says="ROS domain", wall=WALL) as (
        process,
        said,
    ):
        (folder,) = tmp_path.iterdir()
        yield process, domain_of(said), processes_of(folder.resolve())


def test_an_emergency_stop_does_not_end_it(standing):
    process, domain, pids = standing
    assert len(pids) == 4  # sim, motion, planner, robot
    for ask, words in (
        ("home", "home the robot"),
        ("estop", "motion is stopped"),
        ("rearm", "motion is armed"),
        ("home", "home the robot"),
    ):
        while True:  # until the graph is up
            code, said = operator(domain, ask)
            if "nobody offers" not in said and "nothing heard" not in said and "no joint states" not in said:
                break
            assert process.poll() is None
        assert code == 0 and words in said, (ask, said)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(WALL) == 0, process.stdout.read()
    assert not any(map(lifeline.is_running, pids))
