"""Node `compressor` and a reader of what it sends: the same observation as from the pictures themselves, depth to the bit."""

import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")

import rclpy
from sensor_msgs.msg import CompressedImage, JointState

from vipa.errors import VipaError
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa.robot.state import CameraFrame, Observation
from vipa_ros.bringup.environment import Domain
from vipa_ros.bringup.episode_graph import EpisodeConfig, episode_graph
from vipa_ros.cameras.reader import CameraReader
from vipa_ros.common import convert
from vipa_ros.nodes.compressor import MOST_WAITING, CompressorNode, InTurn

ROBOT = load_robot("fr3_single")
CAMERA, NOW = ROBOT.cameras[0].name, 20_000_000_000


@pytest.fixture
def domain(monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["compressor", "--ros-args", "-p", "robot:=fr3_single", "-p", f"cameras:={CAMERA}"]
    )
    domain = Domain()
    rclpy.init(args=sys.argv, domain_id=domain.id)
    yield domain
    rclpy.shutdown()
    domain.release()


def captured():
    ramp = np.tile(np.linspace(20, 220, 64), (48, 1))
    color = np.stack([ramp, ramp[:, ::-1], np.full_like(ramp, 90)], -1).astype(np.uint8)
    depth = np.random.default_rng(0).integers(300, 900, (48, 64)).astype(np.uint16)
    k = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
    return CameraFrame(CAMERA, NOW, color, depth, k, np.eye(4))


def test_what_it_sends_is_what_was_seen(domain):
    compressor, node = CompressorNode(), rclpy.create_node("looks")
    reader = CameraReader(node, ROBOT, [CAMERA], "do it", simulated=False, compressed=True)
    names = [*ROBOT.groups[0].joints, *ROBOT.groups[0].hand.joints]
    joints = JointState(name=names, position=[*map(float, ROBOT.groups[0].home), 0.0])
    joints.header.stamp = convert.time_msg(NOW)
    reader.on_joints(joints)
    frame, sent = captured(), {}
    whole = convert.frame_msgs(frame)
    for key in ("color", "depth"):
        out = SimpleNamespace(get_subscription_count=lambda: 1, publish=lambda msg, k=key: sent.update({k: msg}))
        compressor.take(key, out, whole[key])
    for key in ("color", "depth", "color_info"):
        reader.on_message(CAMERA, key, sent.get(key, whole[key]))
    seen = reader.observe(NOW)
    assert isinstance(seen, Observation), seen
    found = seen.cameras[CAMERA]
    assert np.array_equal(found.depth, frame.depth) and found.stamp_ns == NOW
    assert np.abs(found.color.astype(int) - frame.color).mean() < 3
    sent["color"].data = sent["color"].data[:50]
    reader.on_message(CAMERA, "color", sent["color"])
    for key in ("depth", "color_info"):
        reader.on_message(CAMERA, key, sent.get(key, whole[key]))
    assert "compressed image" in reader.observe(NOW)
    compressor.destroy_node()
    node.destroy_node()


def test_what_nobody_listens_to_is_not_compressed_and_other_encodings_are_refused(domain):
    compressor, sent = CompressorNode(), []
    out = SimpleNamespace(get_subscription_count=lambda: 0, publish=sent.append)
    whole = convert.frame_msgs(captured())
    compressor.take("color", out, whole["color"])
    assert not sent
    out.get_subscription_count = lambda: 1
    with pytest.raises(ValueError, match="color image of encoding '16UC1'"):
        compressor.take("color", out, whole["depth"])
    kinds = {s.topic_name for s in compressor.subscriptions}
    assert {topics.camera_topics(CAMERA)[key] for key in ("color", "depth")} <= kinds
    assert {p.topic_name for p in compressor.publishers if p.msg_type is CompressedImage} == set(
        topics.compressed_topics(CAMERA).values()
    )
    compressor.destroy_node()


def test_it_is_part_of_the_graph_where_it_is_wanted():
    config = EpisodeConfig("water_plant", "water_plant", commander_elsewhere=True, compressed=True).checked()
    specs = {spec.name: spec for spec in episode_graph(config)}
    assert specs["compressor"].parameters["cameras"] == "scene,wrist" and "policy" not in specs
    with pytest.raises(VipaError, match="compressed pictures without commander_elsewhere"):
        EpisodeConfig("water_plant", "water_plant", compressed=True).checked()


def test_work_is_done_in_turn_and_its_errors_and_lateness_are_told():
    worker, go, done = InTurn(), threading.Event(), []
    for k in range(MOST_WAITING):
        worker.do(lambda k=k: go.wait(60) and done.append(k))
    with pytest.raises(ValueError, match="5 pictures wait to be compressed"):
        worker.do(done.append, "late")
    go.set()
    while not worker.waiting[-1].done():
        go.wait(0.01)

    def broken():
        raise ValueError("a damaged picture")

    worker.do(broken)
    while not worker.waiting[-1].done():
        go.wait(0.01)
    with pytest.raises(ValueError, match="a damaged picture"):
        worker.do(done.append, "next")
    while not worker.waiting[-1].done():
        go.wait(0.01)
    worker.close()
    assert done == [*range(MOST_WAITING), "next"]
