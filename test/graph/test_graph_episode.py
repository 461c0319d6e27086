"""Whole graphs of real processes, started as a user starts them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vipa_ros.recording import repair

pytestmark = pytest.mark.graph
WALL = 240  # seconds after which a test gives up; nothing is measured by it


def vipa(tmp_path, *args, **kwargs):
    """`vipa episode` with runs below tmp_path, as a process."""
    line = [sys.executable, "-m", "vipa_ros.cli", "episode", "--runs", str(tmp_path / "runs"), *args]
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    return subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kwargs)


def finish(process):
    output, _ = process.communicate(timeout=WALL)
    return process.returncode, output


def processes_of(run: Path) -> list[int]:
    """Pids of nodes whose command line names the run folder or whose parent supervised it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"VIPA_RUN={run}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def wait_until(condition, process):
    deadline = time.monotonic() + WALL
    while not condition():
        assert time.monotonic() < deadline and process.poll() is None, process.stdout.read()
        time.sleep(0.1)


def recording(tmp_path):
    """The run's bag holds data: the episode is under way."""
    return any(p.stat().st_size > 100_000 for p in tmp_path.glob("runs/latest/bag/*.mcap"))


def card_of(tmp_path):
    return json.loads((tmp_path / "runs/latest/scorecard.json").read_text(encoding="utf-8"))


def test_an_episode_is_scored_recorded_and_reported(tmp_path):
    process = vipa(tmp_path, "--task", "put_three_obj", "--seed", "1", "--time-limit", "8")
    status, output = finish(process)
    assert status == 0, output
    run = tmp_path / "runs/latest"
    card = card_of(tmp_path)
    assert card["outcome"] == "timeout" and card["duration_s"] == pytest.approx(8.0, abs=0.1)
    assert [s["status"] for s in card["subtasks"]][0] == "done"
    assert card["timing"]["dropped_frames"] == 0
    assert card["timing"]["policy_ms_p50"] > 0
    for name in ("scene.json", "config.yaml", "video.mp4", "report.html", "bag/metadata.yaml"):
        assert (run / name).stat().st_size > 0, name
    assert json.loads((run / "scene.json").read_text(encoding="utf-8"))["seed"] == 1


def test_interrupted_it_is_scored_as_stopped_and_leaves_no_process(tmp_path):
    process = vipa(tmp_path, "--task", "put_three_obj", "--no-video")
    wait_until(lambda: recording(tmp_path), process)
    run = (tmp_path / "runs/latest").resolve()
    assert len(processes_of(run)) == 6
    process.send_signal(signal.SIGINT)
    status, output = finish(process)
    assert status == 130, output
    assert processes_of(run) == []
    assert card_of(tmp_path)["outcome"] == "stopped"
    assert (run / "bag/metadata.yaml").is_file()


VICTIMS = [("sim", "cell"), ("motion", "motion"), ("expert", "commander"), ("task_manager", "node")]


@pytest.mark.parametrize("victim, blamed", VICTIMS)
def test_a_node_that_is_killed_ends_the_episode_as_an_error(tmp_path, victim, blamed):
    process = vipa(tmp_path, "--task", "put_three_obj", "--no-video")
    wait_until(lambda: recording(tmp_path), process)
    run = (tmp_path / "runs/latest").resolve()
    for pid in processes_of(run):
        if f"vipa_ros.nodes.{victim}" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
            os.kill(pid, signal.SIGKILL)
    status, output = finish(process)
    assert status == 1, output
    assert f"node '{victim}' died" in output
    card = card_of(tmp_path)
    # on a slow machine the node may die before the episode has begun, or the supervisor be the one who says so
    assert card["outcome"] == "error" and card["failure"]["type"] in (blamed, "bring-up", "node")
    assert processes_of(run) == []


def test_when_all_is_killed_the_bag_can_be_repaired(tmp_path):
    process = vipa(tmp_path, "--task", "put_three_obj", "--no-video")
    wait_until(lambda: recording(tmp_path), process)
    run = (tmp_path / "runs/latest").resolve()
    for pid in [process.pid, *processes_of(run)]:
        os.kill(pid, signal.SIGKILL)
    process.wait(WALL)
    assert "messages" in str(repair.repair(run / "bag")) or (run / "bag/metadata.yaml").is_file()


@pytest.mark.parametrize(
    "args, message",
    [
        (["--task", "nope"], "unknown task 'nope'; allowed: put_three_obj"),
        (["--task", "put_three_obj", "--robot", "nope"], "unknown robot 'nope'; allowed: fr3_"),
        (["--task", "put_three_obj", "--variant", "pink"], "unknown variant 'pink'; allowed: crimson"),
    ],
)
def test_a_wrong_request_is_one_line_and_starts_nothing(tmp_path, args, message):
    status, output = finish(vipa(tmp_path, *args))
    assert status == 2
    assert output.count("\n") == 1 and message in output
    assert not (tmp_path / "runs").exists()
