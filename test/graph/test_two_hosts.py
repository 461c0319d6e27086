"""A cell and its commander on two hosts, as two network namespaces joined by a link: the episode plays, the arm holds while the link is cut,
and the episode goes on when it is back; cut for good, it ends with the commander's name."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from vipa_ros.bringup import environment

pytestmark = pytest.mark.graph
WALL = 300  # seconds after which a test gives up; nothing is measured by it


def tool(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=30, **options)


@pytest.fixture
def hosts():
    """(prefix of a command on the other host, cut(bool)): a namespace of its own behind a veth pair."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        pytest.skip("network namespaces want root, unshare, nsenter and ip")
    if tool("unshare", "-n", "true").returncode:
        pytest.skip("network namespaces are not permitted here")
    other = subprocess.Popen(["unshare", "-n", "sleep", str(WALL)])
    name, net = f"vt{os.getpid() % 10_000}", f"10.231.{os.getpid() % 250}"
    try:
        deadline = time.monotonic() + 10
        while (
            os.readlink(f"/proc/{other.pid}/ns/net") == os.readlink("/proc/self/ns/net") and time.monotonic() < deadline
        ):
            pass
        there = ["nsenter", "-t", str(other.pid), "-n"]
        made = tool(
            "ip", "link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", str(other.pid)
        )
        if made.returncode:
            pytest.skip(f"no veth pair: {made.stderr.strip()}")
        for line in (["ip", "addr", "add", f"{net}.1/24", "dev", f"{name}a"], ["ip", "link", "set", f"{name}a", "up"],
                     [*there, "ip", "link", "set", "lo", "up"], [*there, "ip", "addr", "add", f"{net}.2/24", "dev", f"{name}b"],
                     [*there, "ip", "link", "set", f"{name}b", "up"], [*there, "ip", "route", "add", "default", "via", f"{net}.1"]):  # fmt: skip
            assert tool(*line).returncode == 0, line
        yield there, lambda down: tool("ip", "link", "set", f"{name}a", "down" if down else "up")
    finally:
        tool("ip", "link", "del", f"{name}a")
        other.kill()
        other.wait()


class Episode:
    """`vipa episode --commander-elsewhere` here, `vipa policy run` there."""

    def __init__(self, there, out):
        domain = environment.Domain()
        self.domain, self.lines = domain, []
        env = {**os.environ, "ROS_DOMAIN_ID": str(domain.id), "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
        vipa = [sys.executable, "-m", "vipa_cli.cli"]
        line = [
            *vipa,
            "episode",
            "--task",
            "water_plant",
            "--seed",
            "1",
            "--no-video",
            "--out",
            str(out),
            "--commander-elsewhere",
            "--json",
        ]
        self.episode = subprocess.Popen(
            line, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
        )
        self.commander = subprocess.Popen(
            [*there, *vipa, "policy", "run", "expert", "--task", "water_plant"], env=env, stdout=subprocess.DEVNULL
        )
        self.killer = threading.Timer(WALL, self.episode.kill)
        self.killer.start()

    def end(self):
        """The document of the episode."""
        out, _ = self.episode.communicate(timeout=WALL)
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.killer.cancel()
        for process in (self.commander, self.episode):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.domain.release()


def running(out) -> bool:
    """Whether the episode has begun: its bag grows."""
    return any(p.stat().st_size > 200_000 for p in out.rglob("*.mcap"))


def wait(condition, what):
    deadline, tick = time.monotonic() + WALL, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, what
        tick.wait(0.05)


def test_an_episode_over_two_hosts_survives_a_cut(hosts, tmp_path):
    there, cut = hosts
    with Episode(there, tmp_path) as played:
        wait(lambda: running(tmp_path) or played.episode.poll() is not None, "the episode to begin")
        cut(True)
        threading.Event().wait(1.5)  # a wire that is pulled
        cut(False)
        card = played.end()["scorecard"]
    assert card["success"] and card["commander"] == "expert", card["failure"]


def test_a_link_that_stays_cut_ends_the_episode_by_name(hosts, tmp_path):
    there, cut = hosts
    with Episode(there, tmp_path) as played:
        wait(lambda: running(tmp_path) or played.episode.poll() is not None, "the episode to begin")
        cut(True)
        card = played.end()["scorecard"]
    assert card["outcome"] == "error" and "commander" in json.dumps(card["failure"]), card
