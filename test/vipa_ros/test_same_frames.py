"""What a policy sees live is what a dataset holds: a bag whose messages the live reader hears gives the dataset's frames, bit for
bit."""

import json

import numpy as np
import pytest

pytest.importorskip("rclpy")

import pinocchio as pin
import rclpy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from tf2_msgs.msg import TFMessage

from helpers.synthetic_bag import write_episode
from vipa.dataset.frames import FrameReader
from vipa.dataset.run import Run
from vipa.recording.topic_names import JOINT_STATES, TF_STATIC, camera_topics
from vipa.robot.kinematics import pose_of
from vipa_ros.bringup.environment import Domain
from vipa_ros.cameras.reader import KINDS, CameraReader

LATE_NS = 20_000_000  # joint states come before the picture of their time does


@pytest.fixture
def node():
    domain = Domain()
    rclpy.init(domain_id=domain.id)
    node = rclpy.create_node("reader")
    yield node
    node.destroy_node()
    rclpy.shutdown()
    domain.release()


@pytest.fixture
def run(tmp_path):
    write_episode(tmp_path / "run" / "bag", seconds=1.5, camera_rate=15.0, control_rate=50.0)
    card = {"episode_id": "one", "outcome": "success"}
    (tmp_path / "run/scorecard.json").write_text(json.dumps(card), encoding="utf-8")
    with Run(tmp_path / "run") as run:
        yield run


def heard(run, reader, spec):
    """(time, function that hears it) of every message of the bag that a live reader subscribes to, in the order of arrival."""
    hear = {JOINT_STATES: (JointState, reader.on_joints, -LATE_NS), TF_STATIC: (TFMessage, reader.on_static, 0)}
    for camera in spec.cameras:
        for key, topic in camera_topics(camera.name).items():
            if key in KINDS:
                hear[topic] = KINDS[key], lambda msg, c=camera.name, k=key: reader.on_message(c, k, msg), 0
    for topic, ns, raw in run.bag.raw():
        if topic in hear:
            kind, function, late = hear[topic]
            yield ns + late, lambda f=function, r=raw, t=kind: f(deserialize_message(bytes(r), t))


def test_a_bag_heard_live_gives_the_datasets_frames(run, node):
    spec = run.spec(10)
    frames = FrameReader(run, spec)
    wanted = [(tick.at_ns, frames.frame(tick)) for tick in run.ticks(spec)]
    assert len(wanted) == 16
    reader = CameraReader(node, run.robot, [c.name for c in spec.cameras], run.instruction, simulated=True)
    messages = sorted(heard(run, reader, spec), key=lambda pair: pair[0])
    for at_ns, seen in wanted:
        while messages and messages[0][0] <= at_ns:
            messages.pop(0)[1]()
        live = reader.observe(at_ns + LATE_NS)
        assert not isinstance(live, str), live
        _equal(live, seen, frames)


def _equal(live, seen, frames):
    assert live.stamp_ns == seen.stamp_ns
    values = {name: np.asarray(value) for name, value in seen.values.items()}
    arm = live.groups["arm"]
    np.testing.assert_array_equal(np.concatenate([arm.positions, arm.hand]), values["observation.state"])
    np.testing.assert_array_equal(arm.tool_velocity, values["observation.tool_velocity"])
    tool = values["observation.tool_pose"]  # whose quaternion has the sign that continues the last one's
    np.testing.assert_array_equal(arm.tool_pose[:3], tool[:3])
    assert np.array_equal(arm.tool_pose[3:], tool[3:]) or np.array_equal(arm.tool_pose[3:], -tool[3:])
    for name, capture in live.cameras.items():
        np.testing.assert_array_equal(capture.color, values[f"observation.images.{name}"])
        np.testing.assert_array_equal(capture.depth, values[f"observation.depth.{name}"])
        assert capture.intrinsics.reshape(-1).tolist() == frames.geometry[name]["intrinsics"]
        if f"camera_pose.{name}" in values:
            pose = pose_of(pin.SE3(capture.extrinsics))
            assert np.array_equal(pose[:3], values[f"camera_pose.{name}"][:3])
            assert np.array_equal(np.abs(pose[3:]), np.abs(values[f"camera_pose.{name}"][3:]))
        else:
            assert capture.extrinsics.reshape(-1).tolist() == frames.geometry[name]["extrinsics"]
        assert capture.stamp_ns in values["stamp_ns"]
