"""`vipa record` beside nodes that are not ours: the topics that are named, without a gap, until Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

pytest.importorskip("rclpy")

import rclpy
from std_msgs.msg import String

from vipa.recording.reader import BagReader
from vipa_ros.bringup.environment import Domain
from vipa_ros.common.qos import PROFILES

pytestmark = pytest.mark.graph


def test_what_others_publish_is_recorded_until_ctrl_c(tmp_path):
    domain = Domain()
    rclpy.init(domain_id=domain.id)
    node = rclpy.create_node("stranger")
    mine, other = (node.create_publisher(String, name, PROFILES["stream"]) for name in ("/mine", "/other"))
    node.create_publisher(String, "/said_once", PROFILES["latched"]).publish(String(data="before"))
    words = f"record /mine /said_once --json --domain {domain.id} --out".split()
    line = [sys.executable, "-m", "vipa_cli.cli", *words, str(tmp_path / "bag")]
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    screen, sent = tmp_path / "screen", 0
    with screen.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=stderr, encoding="utf-8")
    try:
        while max([0, *map(int, re.findall(r"(\d+) messages", screen.read_text(encoding="utf-8")))]) < 50:
            assert process.poll() is None, screen.read_text(encoding="utf-8")
            mine.publish(String(data=str(sent := sent + 1)))
            other.publish(String(data="x"))
            rclpy.spin_once(node, timeout_sec=0.02)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        node.destroy_node()
        rclpy.shutdown()
        domain.release()
    assert process.returncode == 0 and json.loads(said)["dropped"] == {}, said
    with BagReader(tmp_path / "bag") as bag:
        numbers = [int(m.data.data) for m in bag.messages(["/mine"])]
        assert numbers and numbers == list(range(numbers[0], numbers[-1] + 1))  # from when it was found on
        assert [m.data.data for m in bag.messages(["/said_once"])] == ["before"] and "/other" not in bag.topics


def test_the_seconds_are_those_of_the_bag_and_not_of_finding_the_graph(tmp_path):
    domain = Domain()
    rclpy.init(domain_id=domain.id)
    node = rclpy.create_node("stranger")
    mine = node.create_publisher(String, "/mine", PROFILES["stream"])
    words = f"record --seconds 2 --domain {domain.id} --out".split()
    line = [sys.executable, "-m", "vipa_cli.cli", *words, str(tmp_path / "bag")]
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    process = subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            mine.publish(String(data="x"))
            rclpy.spin_once(node, timeout_sec=0.02)
    finally:
        process.kill()
        node.destroy_node()
        rclpy.shutdown()
        domain.release()
    assert process.returncode == 0
    with BagReader(tmp_path / "bag") as bag:
        assert bag.duration > 1.8
