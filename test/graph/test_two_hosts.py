"""A cell and its commander on two hosts, as two network namespaces joined by a link: the episode plays, the arm holds while the link is cut,
the episode says why, and goes on when it is back; cut for good, it ends with the commander's name. Once over a perfect link, and once over
one with delay and loss, which is in user space (helpers/link_shaper.py): not every kernel has netem."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from vipa_msgs.msg import EpisodeStatus, MotionStatus

from vipa.recording import topics
from vipa_ros.bringup import environment
from vipa_ros.common.qos import PROFILES

pytestmark = pytest.mark.graph
WALL = 300  # seconds after which a test gives up; nothing is measured by it


def tool(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=30, **options)


LINKS = {"perfect": (0.0, 0.0, 0.0), "delay and loss": (0.02, 0.005, 0.01)}  # seconds one way, jitter, share of packets
EVERY_LINK = [pytest.param(k, id=k, marks=[pytest.mark.slow] if any(LINKS[k]) else []) for k in LINKS]


@pytest.fixture
def hosts(request):
    """(prefix of a command on the other host, cut(bool)): a namespace of its own behind a veth pair, or a link in user space."""
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
        if any(LINKS[request.param]):
            with shaped(other.pid, name, net, LINKS[request.param]) as cut:
                yield there, cut
            return
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


@contextmanager
def shaped(pid, name, net, link):
    """cut(bool) of a link with delay, jitter and loss to the namespace of process `pid`."""
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("a link in user space wants /dev/net/tun")
    line = [sys.executable, "-m", "helpers.link_shaper", str(pid), name, net, *map(str, link), "1"]
    process = subprocess.Popen(
        line, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        assert process.stdout.readline() == "up\n"

        def cut(down):
            process.stdin.write("cut\n" if down else "join\n")
            process.stdin.flush()

        yield cut
    finally:
        process.kill()
        process.wait()


class Episode:
    """`vipa episode --commander-elsewhere` here, `vipa policy run` there."""

    def __init__(self, there, out, policy="expert", *options):
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
            "--policy",
            policy,
            *options,
        ]
        self.episode = subprocess.Popen(
            line, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
        )
        self.commander = subprocess.Popen(
            [*there, *vipa, "policy", "run", policy, "--task", "water_plant", *options],
            env=env,
            stdout=subprocess.DEVNULL,
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


class Heard:
    """What this host hears of the episode in the ROS domain `domain`, on a thread of its own."""

    def __init__(self, domain):
        self.mode, self.details, self.states = None, [], []
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("listener", context=self.context)
        self.node.create_subscription(MotionStatus, topics.MOTION_STATUS, self.on_motion, PROFILES["stream"])
        self.node.create_subscription(EpisodeStatus, topics.EPISODE_STATUS, self.on_episode, PROFILES["latched"])
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self.executor.spin, daemon=True)
        self.thread.start()

    def on_motion(self, msg):
        self.mode = msg.mode

    def on_episode(self, msg):
        self.details.append(msg.detail)
        self.states.append(msg.state)

    def close(self):
        self.executor.shutdown()
        self.thread.join(10)
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.mark.parametrize("hosts", EVERY_LINK, indirect=True)
def test_an_episode_over_two_hosts_survives_a_cut(hosts, tmp_path):
    there, cut = hosts
    with Episode(there, tmp_path) as played:
        heard = Heard(played.domain.id)
        try:
            over = lambda: played.episode.poll() is not None  # noqa: E731
            wait(lambda: (heard.mode == MotionStatus.EXECUTING and running(tmp_path)) or over(), "the episode to begin")
            cut(True)
            wait(lambda: heard.mode == MotionStatus.HOLDING or over(), "the arm to hold")
            wait(lambda: any("nothing heard from it" in d for d in heard.details) or over(), "the episode to say why")
            held = heard.mode
            cut(False)
            card = played.end()["scorecard"]
        finally:
            heard.close()
    assert held == MotionStatus.HOLDING, "it still holds when the episode says why"
    assert card["success"] and card["commander"] == "expert", card["failure"]
    said = next(d for d in heard.details if "nothing heard from it" in d)
    assert said.startswith("commander expert: nothing heard from it, for ") and heard.details[-1] == ""


@pytest.mark.slow  # the one above cuts the link in every run
@pytest.mark.parametrize("hosts", EVERY_LINK, indirect=True)
def test_a_link_that_stays_cut_ends_the_episode_by_name(hosts, tmp_path):
    there, cut = hosts
    with Episode(there, tmp_path) as played:
        wait(lambda: running(tmp_path) or played.episode.poll() is not None, "the episode to begin")
        cut(True)
        card = played.end()["scorecard"]
    assert card["outcome"] == "error" and "commander" in json.dumps(card["failure"]), card


@pytest.mark.slow
@pytest.mark.parametrize("hosts", EVERY_LINK, indirect=True)
def test_a_policy_elsewhere_looks_at_compressed_pictures(hosts, tmp_path):
    there, _ = hosts
    with Episode(there, tmp_path, "water_plant", "--compressed") as played:
        card = played.end()["scorecard"]
    assert card["subtask_score"] > 0 and card["commander"] == "policy", card["failure"]
