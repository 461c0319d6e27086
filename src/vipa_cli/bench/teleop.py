"""How long a person waits: from a key written into the terminal of node `teleop` to the chunk it makes, as
another process hears it."""

import os
import pty
import subprocess
import sys
import tempfile
import threading
import time
import tty
from pathlib import Path

import numpy as np

from vipa import files
from vipa.errors import VipaError
from vipa.recording import topics
from vipa_ros.bringup import environment, episode_graph
from vipa_ros.bringup.process import ProcessSpec, command
from vipa_ros.bringup.supervisor import Supervisor

TASK, ROBOT = "water_plant", "fr3_single"
WAIT_S = 60.0  # wall seconds for the graph, and for one key's chunk
PAUSES_S = (0.35, 0.6)  # wall seconds between two keys: a step is over by then


def run(count: int, out: Path | None) -> None:
    """Presses `count` keys and prints percentiles, milliseconds of wall time. out: JSON file that gets them, too. Raises VipaError."""
    ours = {"robot": ROBOT, "task": TASK, "use_sim_time": True}
    cell = episode_graph.cell_graph(episode_graph.EpisodeConfig(TASK, robot=ROBOT))
    for spec in cell:
        if spec.name == "sim":
            spec.parameters["cameras"] = False
    domain = environment.Domain()
    env = environment.child_environment(domain.id)
    os.environ.update(env)
    master, slave = pty.openpty()
    tty.setcbreak(slave)
    line = command(ProcessSpec("teleop", "teleop", {**ours, "device": "terminal"}), sys.executable)
    try:
        with tempfile.TemporaryDirectory() as logs, Supervisor(cell, env, Path(logs)):
            log = (Path(logs) / "teleop.log").open("wb")
            node = subprocess.Popen(line, env=env, stdin=slave, stdout=log, stderr=subprocess.STDOUT)
            try:
                waits = Listener(master).measure(count)
            finally:
                node.terminate()
                node.wait(10)
                log.close()
    finally:
        os.close(master)
        os.close(slave)
        domain.release()
    ms = 1e3 * np.array(waits)
    found = {"keys": count, "chunk_ms": {f"p{p}": round(float(np.percentile(ms, p)), 2) for p in (50, 95, 99)}}
    print("key to chunk, ms: " + ", ".join(f"{name} {value:.1f}" for name, value in found["chunk_ms"].items()))
    print(f"{'within' if found['chunk_ms']['p95'] <= 20 else 'OVER'} 20 ms at p95, {count} keys")
    if out is not None:
        files.write_json(out, found)


class Listener:
    """This process's ears in the graph. terminal: where keys are written."""

    def __init__(self, terminal: int):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from vipa_msgs.msg import ActionChunk, MotionStatus
        from vipa_msgs.srv import SetAuthority

        from vipa_ros.common.qos import PROFILES

        self.terminal, self.rclpy, self.request = terminal, rclpy, SetAuthority.Request
        rclpy.init()
        self.node = rclpy.create_node("bench")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.heard, self.arrived, self.status = threading.Event(), 0.0, None
        self.node.create_subscription(ActionChunk, topics.ACTION_CHUNK, self.on_chunk, PROFILES["stream"])
        self.node.create_subscription(MotionStatus, topics.MOTION_STATUS, self.on_status, PROFILES["stream"])
        self.client = self.node.create_client(SetAuthority, topics.SET_AUTHORITY)

    def on_chunk(self, msg):
        if not self.heard.is_set():
            self.arrived = time.monotonic()
            self.heard.set()

    def on_status(self, msg):
        self.status = msg

    def measure(self, count: int) -> list[float]:
        """Seconds from each of `count` keys to its chunk. Raises VipaError if the graph does not answer."""
        try:
            return self._measure(count)
        finally:
            self.rclpy.shutdown()

    def _measure(self, count: int) -> list[float]:
        began, asked, random, waits = time.monotonic(), 0.0, np.random.default_rng(0), []
        while self.status is None or self.status.authority != "teleop":
            self.executor.spin_once(timeout_sec=0.05)
            if self.client.service_is_ready() and time.monotonic() - asked > 1.0:
                asked = time.monotonic()
                self.client.call_async(self.request(commander_id="teleop", requester_id="bench"))
            if time.monotonic() - began > WAIT_S:
                raise VipaError(f"bench teleop: no graph within {WAIT_S:g} s")
        self._press("w")  # the first one finds the subscription
        for k in range(count):
            self._rest(random.uniform(*PAUSES_S))
            waits.append(self._press("we" if k % 2 else "sq"))
        return waits

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.executor.spin_once(timeout_sec=until - time.monotonic())

    def _press(self, keys: str) -> float:
        self.heard.clear()
        pressed = time.monotonic()
        os.write(self.terminal, keys.encode())
        while not self.heard.is_set():
            self.executor.spin_once(timeout_sec=0.05)
            if time.monotonic() - pressed > WAIT_S:
                raise VipaError(f"bench teleop: no chunk within {WAIT_S:g} s of a key")
        return self.arrived - pressed
