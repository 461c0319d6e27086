"""A person at a terminal of her own who runs `vipa teleop`, and sees its graph."""

import fcntl
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

import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from vipa_msgs.msg import ActionChunk, EpisodeStatus, GroundTruth, MotionStatus

from helpers.graph_world import spinning
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa.robot.joint_states import JointStates
from vipa.robot.measured import GroupReader
from vipa_ros.common import convert
from vipa_ros.common.qos import PROFILES

WALL = 240  # seconds after which a test gives up; nothing is measured by it
ROBOT = load_robot("fr3_single")


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

    def pause(self, seconds, what):
        """Lets wall time pass while she waits for `what`."""
        began = time.monotonic()
        self.wait(lambda: time.monotonic() - began > seconds, what)

    def tap(self, key, condition, what):
        """Presses `key` once a second until `condition` holds: a step that cannot be taken at once, as of an arm whose joint states are
        late for a moment, is lost and not saved up."""
        while not condition():
            self.press(key)
            pressed = time.monotonic()
            self.wait(lambda: condition() or time.monotonic() - pressed > 1.0, what)  # noqa: B023

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
            self.pause(0.05, "the demonstration")

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
