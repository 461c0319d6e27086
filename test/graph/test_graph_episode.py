"""Whole graphs of real processes, started as a user starts them."""

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from helpers.processes import processes_of
from vipa.errors import VipaError
from vipa.recording import reader, repair
from vipa_ros.bringup import environment
from vipa_ros.common import lifeline

PF_EXITING = 0x4  # of a process's flags, linux/sched.h
pytestmark = pytest.mark.graph
WALL = 240  # seconds after which a test gives up; nothing is measured by it


def vipa(tmp_path, *args, **kwargs):
    """`vipa episode` with runs below tmp_path, as a process."""
    line = [sys.executable, "-m", "vipa_cli.cli", "episode", "--out", str(tmp_path / "runs"), *args]
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    return subprocess.Popen(
        line, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", **kwargs
    )


def finish(process):
    output, _ = process.communicate(timeout=WALL)
    return process.returncode, output


def dead(pid: int) -> bool:
    """Whether a process has let go of all its files, reaped or not: of one that was killed, the first thread can be a zombie while others
    still have them."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return threads == [str(pid)] and not lifeline.is_running(pid)


def wait_until(condition, process):
    deadline = time.monotonic() + WALL
    while not condition():
        assert time.monotonic() < deadline and process.poll() is None, process.stdout.read()
        time.sleep(0.1)


def recording(tmp_path):
    """The run's bag holds data: the episode is under way."""
    return any(p.stat().st_size > 100_000 for p in tmp_path.glob("runs/latest/bag/*.mcap"))


def wait_for_the_episode(process):
    """Until the commander may move: from then on the task manager is the one who says who failed."""
    said = []
    for line in process.stdout:
        said.append(line)
        if "] running: " in line:
            return
    raise AssertionError("".join(said))


def card_of(tmp_path):
    return json.loads((tmp_path / "runs/latest/scorecard.json").read_text(encoding="utf-8"))


def test_an_episode_is_scored_recorded_and_reported(tmp_path):
    process = vipa(tmp_path, "--task", "put_three_obj", "--seed", "1", "--time-limit", "8")
    status, output = finish(process)
    assert status == 0, output
    run = tmp_path / "runs/latest"
    card = card_of(tmp_path)
    assert card["outcome"] == "timeout" and card["duration_s"] == pytest.approx(8.0, abs=0.1)
    assert card["subtasks"][0]["name"] == "open drawer" and card["subtasks"][0]["status"] == "done"
    assert card["timing"]["dropped_frames"] == 0
    assert card["timing"]["policy_ms_p50"] > 0
    for name in ("scene.json", "config.yaml", "video.mp4", "report.html", "bag/metadata.yaml"):
        assert (run / name).stat().st_size > 0, name
    assert json.loads((run / "scene.json").read_text(encoding="utf-8"))["seed"] == 1
    with reader.BagReader(run / "bag") as bag:
        (description,) = bag.messages(["/robot_description"])
        assert description.data.data.lstrip().startswith("<?xml") and "<robot" in description.data.data
        assert any(m.data.name == "task_manager" for m in bag.messages(["/rosout"]))
        stamps = [m.data.header.stamp for m in bag.messages(["/diagnostics"])]
        assert stamps and all(s.sec or s.nanosec for s in stamps)


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


# the fault table kills each of them, too; how `vipa` ends then is the same for all
VICTIMS = [
    ("motion", "motion"),
    ("task_manager", "node"),
    *(pytest.param(*victim, marks=pytest.mark.slow) for victim in (("sim", "cell"), ("expert", "commander"))),
]


@pytest.mark.parametrize("victim, blamed", VICTIMS)
def test_a_node_that_is_killed_ends_the_episode_as_an_error(tmp_path, victim, blamed):
    process = vipa(tmp_path, "--task", "put_three_obj", "--no-video")
    wait_for_the_episode(process)
    run = (tmp_path / "runs/latest").resolve()
    for pid in processes_of(run):
        if f"vipa_ros.nodes.{victim}" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
            os.kill(pid, signal.SIGKILL)
    status, output = finish(process)
    assert status == 1, output
    assert f"node '{victim}' died" in output
    card = card_of(tmp_path)
    assert card["outcome"] == "error" and card["failure"]["type"] == blamed
    assert processes_of(run) == []


def domain_of(pid):
    """(the graph's ROS domain, whether its lock is held)"""
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    domain = int(next(w for w in words if w.startswith(b"ROS_DOMAIN_ID=")).partition(b"=")[2])
    return domain, is_taken(domain)


def lives(pid):
    """Whether it may still do something: one that the kernel is taking down has closed its files, the lock among them, and does nothing."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] not in "ZX" and not int(fields[6]) & PF_EXITING


def is_taken(domain):
    with open(environment.lock_file(domain), "rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


@pytest.mark.parametrize(
    "number, ended", [(signal.SIGHUP, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_the_graph_ends_with_vipa_and_leaves_scorecard_and_bag(tmp_path, number, ended):
    """SIGHUP: the terminal has closed. SIGKILL: nobody is left who could end the nodes in order."""
    process = vipa(tmp_path, "--task", "put_three_obj", "--no-video")
    wait_until(lambda: recording(tmp_path), process)
    run = (tmp_path / "runs/latest").resolve()
    pids = processes_of(run)
    domain, held = domain_of(pids[0])
    assert len(pids) == 6 and held
    process.send_signal(number)
    process.wait(WALL)
    deadline = time.monotonic() + WALL
    while alive := [pid for pid in pids if lives(pid)]:
        held = is_taken(domain)
        assert held or not any(map(lives, alive)), "a node lives in a domain that is free"
        assert time.monotonic() < deadline, alive
        time.sleep(0.01)
    assert process.returncode == ended
    assert card_of(tmp_path)["outcome"] == "stopped"
    assert (run / "bag/metadata.yaml").is_file() and reader.BagReader(run / "bag").topics


def test_nohup_is_heeded(tmp_path):
    process = vipa(tmp_path, "--task", "put_three_obj", "--no-video", "--time-limit", "3",
                   preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))  # fmt: skip
    wait_until(lambda: recording(tmp_path), process)
    for pid in (process.pid, *processes_of((tmp_path / "runs/latest").resolve())):
        os.kill(pid, signal.SIGHUP)
    status, output = finish(process)
    assert status == 0 and card_of(tmp_path)["outcome"] == "timeout", output


def test_when_the_terminal_closes_the_episode_is_scored(tmp_path):
    """Writing to it is an error from then on."""
    master, slave = pty.openpty()
    line = [
        sys.executable,
        "-m",
        "vipa_cli.cli",
        "episode",
        "--out",
        str(tmp_path / "runs"),
        "--task",
        "put_three_obj",
    ]
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    process = subprocess.Popen(
        line, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(slave)

    def recording_while_read():
        while select.select([master], [], [], 0)[0]:
            os.read(master, 4096)
        return recording(tmp_path)

    deadline = time.monotonic() + WALL
    while not recording_while_read():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    pids = processes_of((tmp_path / "runs/latest").resolve())
    os.close(master)
    assert process.wait(WALL) == 130
    assert card_of(tmp_path)["outcome"] == "stopped" and not any(map(lifeline.is_running, pids))


def test_when_all_is_killed_the_bag_can_be_repaired(tmp_path):
    process = vipa(tmp_path, "--task", "put_three_obj", "--no-video")
    wait_until(lambda: recording(tmp_path), process)
    run = (tmp_path / "runs/latest").resolve()
    killed = [*processes_of(run), process.pid]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    process.wait(WALL)
    deadline = time.monotonic() + WALL
    while not all(dead(pid) for pid in killed):  # until then the recorder's lock on the bag is held
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(VipaError, match="is cut off; `vipa bag repair` keeps what is whole"):
        reader.BagReader(run / "bag")
    report = repair.repair(run / "bag")
    assert report.repaired and not report.bad_chunks and not report.lost_bytes
    with reader.BagReader(run / "bag") as bag:
        assert sum(topic.count for topic in bag.topics.values()) == report.kept
        stamps = [reader.stamp_ns(m.data) for m in bag.messages(["/joint_states"])]
        assert stamps and stamps == sorted(stamps)


@pytest.mark.parametrize(
    "args, message",
    [
        (["--task", "nope"], "unknown task 'nope'; allowed: insert_flower, put_three_obj"),
        (["--task", "put_three_obj", "--robot", "nope"], "unknown robot 'nope'; allowed: fr3_"),
        (["--task", "put_three_obj", "--variant", "pink"], "unknown variant 'pink'; allowed: crimson"),
    ],
)
def test_a_wrong_request_is_one_line_and_starts_nothing(tmp_path, args, message):
    status, output = finish(vipa(tmp_path, *args))
    assert status == 2
    assert output.count("\n") == 1 and message in output
    assert not (tmp_path / "runs").exists()
