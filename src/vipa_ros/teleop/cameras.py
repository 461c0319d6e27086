"""The cameras of a session, looked at a few times a second: are they fit for the next demonstration?"""

import time

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image

from vipa.images import image_array
from vipa.recording import topics
from vipa.robot.camera_watch import CameraWatch
from vipa.robot.description import Robot
from vipa_ros.common.node import steady_clock
from vipa_ros.common.qos import CAMERA_READER

LOOK_PERIOD_S = 0.5  # wall seconds between two pictures that are looked at


class Cameras:
    """Subscriptions of `node` to the colour of `cameras`; only what is looked at is decoded."""

    def __init__(self, node: Node, robot: Robot, cameras, simulated: bool):
        fixed = [c.name for c in robot.cameras if c.parent == "world"]
        self.node, self.watch = node, CameraWatch(cameras, fixed, still_ok=simulated)
        self.newest: dict[str, bytes] = {}
        for camera in cameras:
            topic, take = topics.camera_topics(camera)["color"], lambda data, c=camera: self.newest.__setitem__(c, data)
            node.create_subscription(Image, topic, take, CAMERA_READER, raw=True)
        node.create_timer(LOOK_PERIOD_S, self.look, clock=steady_clock())

    def look(self) -> None:
        """Takes the newest picture of each camera."""
        for camera, data in self.newest.items():
            try:
                self.watch.take(camera, image_array(deserialize_message(data, Image)), time.monotonic())
            except ValueError as error:
                self.node.get_logger().warning(f"camera {camera}: {error}", throttle_duration_sec=2.0)
        self.newest.clear()

    def fault(self) -> str:
        """What is wrong with them now, "" if they are fit."""
        self.look()
        return "; ".join(self.watch.faults(time.monotonic()))
