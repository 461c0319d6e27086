"""Topics that a device listens to: leader arms and headsets speak ROS, their modules in the domain do not."""

import time

from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import ByteMultiArray

from vipa.commanders.teleop.device import Device
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import newest

KINDS = {
    "joint_states": (JointState, lambda msg: (tuple(msg.name), tuple(msg.position))),
    "bytes": (ByteMultiArray, lambda msg: b"".join(bytes(b) if isinstance(b, bytes) else bytes([b]) for b in msg.data)),
}  # fmt: skip


def subscribe(node: Node, device: Device) -> None:
    """Feeds `device` what comes on its `topics` ({topic: kind}), with the local clock; a device without any is left alone."""
    listener = Listener(node)
    for topic, kind in getattr(device, "topics", {}).items():
        message, value = KINDS[kind]
        take = lambda msg, t=topic, v=value: device.heard(t, v(msg), time.monotonic())  # noqa: E731
        listener.on(message, topic, take, newest())
