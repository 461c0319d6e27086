"""A person at a terminal, in a real pseudo-terminal: drives the task to success, records and throws away; takes over from a
policy and gives back."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from vipa_msgs.msg import ActionChunk, EpisodeStatus, GroundTruth, MotionStatus

from helpers.graph_world import spinning
from helpers.processes import processes_of
from helpers.typist import Typist
from vipa.motion.chunk import Mode
from vipa.recording import demonstration, interventions, reader, topics
from vipa.robot.description import load_robot
from vipa.robot.joint_states import JointStates
from vipa.robot.measured import GroupReader
from vipa.tasks.task import load_task
from vipa_ros.bringup import environment
from vipa_ros.common import convert
from vipa_ros.common.qos import PROFILES

pytestmark = pytest.mark.graph
WALL = 240  # seconds after which a test gives up; nothing is measured by it
ROBOT, TASK = load_robot("fr3_single"), load_task("water_plant")


class Person:
    """`vipa teleop` at a terminal of its own, and eyes on its graph."""

    def __init__(self, out, *args):
        self.terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 160, 0, 0))
        line = [sys.executable, "-m", "vipa_cli.cli", "teleop", "--task", "water_plant", "--out", str(out), *args]
        env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
        self.process = subprocess.Popen(
            line, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)
        self.out, self.seen, self.screen = out, threading.Event(), ""
        self.deadline = time.monotonic() + WALL
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                if select.select([self.terminal], [], [], 0.2)[0]:
                    self.screen += re.sub(
                        r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(self.terminal, 65536).decode(errors="ignore")
                    )
            except (OSError, ValueError):
                return

    def look(self):
        """Joins the graph."""
        self.wait(lambda: "ROS domain" in self.screen, "the first line")
        domain = int(re.search(r"ROS domain (\d+)", self.screen)[1])
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        node = rclpy.create_node("person", context=self.context)
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(node)
        self.states, self.reader = JointStates(ROBOT), GroupReader(ROBOT)
        self.truth = self.status = self.episode = None
        self.chunks = []
        stream = PROFILES["stream"]
        node.create_subscription(
            JointState, topics.JOINT_STATES, lambda m: self.states.take(convert.joint_state(m)), stream
        )
        node.create_subscription(
            GroundTruth, topics.GROUND_TRUTH, lambda m: setattr(self, "truth", convert.truth(m)), stream
        )
        node.create_subscription(
            MotionStatus, topics.MOTION_STATUS, lambda m: setattr(self, "status", convert.motion_status(m)), stream
        )
        node.create_subscription(
            ActionChunk, topics.ACTION_CHUNK, lambda m: self.chunks.append(convert.chunk(m)), stream
        )
        node.create_subscription(
            EpisodeStatus, topics.EPISODE_STATUS, lambda m: setattr(self, "episode", m), PROFILES["latched"]
        )
        self.thread = spinning(executor, self.context)
        self.thread.start()
        self.wait(lambda: self.status is not None and self.states.merged() is not None, "the graph")

    def groups(self):
        return self.reader.groups(self.states.merged())

    def press(self, keys):
        os.write(self.terminal, keys.encode())

    def wait(self, condition, what):
        while not condition():
            assert self.process.poll() is None and time.monotonic() < self.deadline, f"{what}: {self.screen[-3000:]}"
            self.seen.wait(0.02)

    def begin(self, former=""):
        """Presses the key for a demonstration until one runs: cameras that have shown nothing yet are named first."""
        self.wait(lambda: self.status.authority == "teleop", "the robot to be hers")
        asked = 0.0
        while not (self.running() and self.episode.episode_id != former):
            if time.monotonic() - asked > 2.0 and (
                self.episode is None or self.episode.state in (EpisodeStatus.IDLE, EpisodeStatus.FINISHED)
            ):
                asked = time.monotonic()
                self.press("n")
            self.wait(lambda: True, "the demonstration")
            self.seen.wait(0.05)

    def running(self):
        return self.episode is not None and self.episode.state == EpisodeStatus.RUNNING

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
        if hasattr(self, "context"):
            self.context.shutdown()
            self.thread.join()
        os.close(self.terminal)


@pytest.fixture
def person(tmp_path, monkeypatch, request):
    env = environment.child_environment(0)
    for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "RMW_IMPLEMENTATION"):
        monkeypatch.setenv(name, env[name])
    person = Person(tmp_path / "runs", *request.param)
    try:
        person.look()
        yield person
    finally:
        person.close()


@pytest.mark.parametrize("person", [("--seed", "1", "--time-limit", "300")], indirect=True)
def test_keys_alone_do_the_task_and_what_is_thrown_away_is_kept_apart(person):
    person.begin()
    person.wait(lambda: person.status.authority == "teleop", "the robot to be hers")
    first = person.episode.episode_id
    typist = Typist(ROBOT, TASK, 1)
    while person.running():
        person.press(typist.keys(person.truth.stamp_ns, person.groups(), person.status, person.truth))
        person.wait(lambda: True, "the graph")
        person.seen.wait(0.1)
    person.wait(lambda: re.search(r"^\w+:\s+/", person.screen, re.MULTILINE), "the verdict")
    run = next(person.out.glob(f"*-{first[:8]}"))
    card = json.loads((run / "scorecard.json").read_text(encoding="utf-8"))
    assert card["outcome"] == "success" and card["commander"] == "teleop"
    assert demonstration.read(run).verdict == "success"
    with reader.BagReader(run / "bag") as bag:
        assert {m.data.commander_id for m in bag.messages([topics.ACTION_CHUNK])} == {"teleop"}
        assert bag.topics["/camera/wrist/color/image_raw"].count > 50
        assert interventions.read_drives(bag).interventions == 0

    person.begin(first)
    second = person.episode.episode_id
    assert person.episode.seed == 2
    person.press("m")
    person.wait(lambda: "marked: part 1" in person.screen, "the mark")
    person.press("x")
    person.wait(lambda: "discarded: " in person.screen, "the verdict")
    thrown = next((person.out / "discarded").glob(f"*-{second[:8]}"))
    assert [m.kind for m in demonstration.read(thrown).marks] == ["subtask", "discarded"]
    with reader.BagReader(thrown / "bag") as bag:
        assert [m.data.kind for m in bag.messages([topics.EPISODE_MARK])] == ["subtask", "discarded"]
    assert not list(person.out.glob(f"*-{second[:8]}"))
    (session,) = (person.out / "sessions").iterdir()
    assert len(processes_of(session.resolve())) == 7
    person.press("Q")
    assert person.process.wait(60) == 0 and processes_of(session.resolve()) == []


@pytest.mark.parametrize("person", [("--seed", "1", "--policy", "water_plant", "--time-limit", "300")], indirect=True)
def test_a_policy_is_paused_taken_over_from_where_the_arm_is_and_given_back(person):
    person.begin()
    person.wait(lambda: person.status.authority == "policy", "the policy's episode")
    person.wait(lambda: any(c.commander_id == "policy" for c in person.chunks), "the policy to move")
    person.press("p")
    person.wait(lambda: person.status.authority == "" and person.status.mode is Mode.HOLDING, "the pause")
    person.wait(lambda: np.abs(person.groups()["arm"].velocities).max() < 0.01, "the arm to rest")
    paused = person.groups()["arm"].tool_pose.copy()
    person.press("t")
    person.wait(lambda: person.status.authority == "teleop", "the takeover")
    assert np.linalg.norm((person.groups()["arm"].tool_pose - paused)[:3]) < 2e-3  # nothing moves by being taken
    for _ in range(3):
        person.press("e")
        person.seen.wait(0.4)
    person.wait(lambda: person.groups()["arm"].tool_pose[2] - paused[2] > 0.025, "three keys up")
    epoch = person.status.epoch
    person.press("g")
    person.wait(
        lambda: person.status.authority == "policy" and person.status.epoch > epoch, "the policy to have it back"
    )
    back, epoch = person.status.stamp_ns, person.status.epoch
    fresh = lambda: [c for c in person.chunks if c.commander_id == "policy" and c.epoch == epoch]  # noqa: E731
    person.wait(fresh, "the policy to go on")
    assert fresh()[0].observation_ns > back - 60_000_000  # of after the change, which a status may tell 40 ms late
    assert person.episode.outcome == ""
    person.press("b")
    person.wait(lambda: "stopped: " in person.screen, "the end")
    run = next(person.out.glob("*-water_plant-*"))
    said = demonstration.read(run)
    assert (said.verdict, said.commander, said.interventions) == ("stopped", "policy", 1)
    with reader.BagReader(run / "bag") as bag:
        drives = interventions.read_drives(bag)
        who = [(d.driver, d.intervention) for d in drives.drives]
        assert who == [("policy", False), ("", True), ("teleop", True), ("policy", False)] and drives.interventions == 1
        took = next(d.start_ns for d in drives.drives if d.driver == "teleop")
        assert drives.at(took + 1).operator == "operator" and drives.at(0).driver == "policy"
