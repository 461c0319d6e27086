"""Camera pictures for the console: found in the graph, subscribed while somebody looks, encoded when somebody waits."""

import time

import cv2
from rclpy.node import Node
from sensor_msgs.msg import Image

from vipa.console.board import Board, Frame
from vipa.recording.topic_names import PLACEMENT, camera_topics
from vipa_ros.common import convert
from vipa_ros.common.images import pixels
from vipa_ros.common.qos import CAMERA_READER, PROFILES

IMAGE = "sensor_msgs/msg/Image"
MAX_WIDTH = 640  # pixels of a picture that is sent
MAX_RATE_HZ = 10.0  # pictures of a camera that are encoded, on the average, unless somebody says otherwise
QUALITY = 80  # of a JPEG
MAX_CAMERAS = 16  # cameras that are shown
OLD_S = 60.0  # an age beyond is another clock's: of a simulation whose time is not followed


class Pictures:
    """The cameras of the graph of `node`, shown on `board`: their colour pictures, and what node `placement` wants. rate: pictures a second of a
    camera, at most; 0: all. The node's thread."""

    def __init__(self, node: Node, board: Board, rate: float = MAX_RATE_HZ):
        self.node, self.board = node, board
        self.period = 1.0 / rate if rate else 0.0  # seconds between two pictures of a camera
        self.names: dict[str, str] = {}  # as it is shown → topic
        self.subscriptions: dict[str, object] = {}
        self.number = 0
        self.due: dict[str, float] = {}  # monotonic seconds from which on another one is encoded

    def find(self, topics: list[tuple[str, list[str]]]) -> None:
        """Takes the cameras from the graph's topics [(name, types)]."""
        found = {}
        for topic, types in sorted(topics):
            name = shown_as(topic)
            if name and IMAGE in types and self.node.count_publishers(topic):
                found[name] = topic
        self.names = dict(list(found.items())[:MAX_CAMERAS])

    def follow(self) -> None:
        """Subscribes what is looked at, and ends what is not."""
        watched = self.board.watched()
        for name in [n for n in self.subscriptions if n not in watched or n not in self.names]:
            self.node.destroy_subscription(self.subscriptions.pop(name))
        for name in watched:
            if name in self.names and name not in self.subscriptions:
                topic = self.names[name]
                qos = PROFILES["latched"] if topic.startswith(PLACEMENT) else CAMERA_READER
                take = lambda msg, n=name: self.show(n, msg)  # noqa: E731
                self.subscriptions[name] = self.node.create_subscription(Image, topic, take, qos)

    def show(self, name: str, msg: Image) -> None:
        """A picture came: it is encoded if a client waits for one."""
        came, due = time.monotonic(), self.due.get(name, 0.0)
        if came < due or not self.board.wanted(name):
            return
        self.due[name] = max(due, came - self.period) + self.period
        stamp, now = convert.time_ns(msg.header.stamp), self.node.get_clock().now().nanoseconds
        age = (now - stamp) / 1e9
        try:
            picture = smaller(pixels(msg))
        except ValueError as error:
            self.node.get_logger().warning(f"camera {name}: {error}", throttle_duration_sec=5.0)
            return
        self.number += 1
        known = age if abs(age) < OLD_S else None
        self.board.put_frame(Frame(name, self.number, jpeg(picture), stamp, known, came))


def shown_as(topic: str) -> str:
    """The name under which a topic's pictures are shown, "" if they are not."""
    parts = topic.split("/")
    if len(parts) > 2 and parts[1] == "camera" and topic == camera_topics(parts[2])["color"]:
        return parts[2]
    return f"placement {topic.removeprefix(PLACEMENT + '/')}" if topic.startswith(f"{PLACEMENT}/") else ""


def jpeg(picture) -> bytes:
    """`picture` (H, W, 3) RGB as a JPEG."""
    return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[
        1
    ].tobytes()


def smaller(picture):
    """`picture` (H, W, 3) or (H, W), at most MAX_WIDTH pixels wide, as colour."""
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    height, width = picture.shape[:2]
    if width <= MAX_WIDTH:
        return picture
    return cv2.resize(picture, (MAX_WIDTH, round(height * MAX_WIDTH / width)), interpolation=cv2.INTER_AREA)
