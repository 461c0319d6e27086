"""A process that publishes cameras as a driver would: colour and depth, 640x480, 30 Hz of wall time, every frame numbered.

Run as a node: parameters `cameras` (their names, separated by commas), `use_sim_time`; others than the above: `width`, `height`, `rate` (Hz),
`depth` (bool).
"""

import array

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from vipa.recording import topics
from vipa_ros.common import node
from vipa_ros.common.qos import PROFILES

WIDTH, HEIGHT, RATE = 640, 480, 30.0  # pixels, Hz


def number(data) -> int:
    """The number of a frame, from the bytes of its picture."""
    return int.from_bytes(bytes(data[:4]), "little")


class Cameras(Node):
    """Publishes noise as the pictures of several cameras, all from one process, as realsense2_camera's composed nodes do."""

    def __init__(self):
        super().__init__("cameras")
        names = node.parameter(self, "cameras", str).split(",")
        self.width, self.height = node.parameter(self, "width", WIDTH), node.parameter(self, "height", HEIGHT)
        # what a sensor's noise leaves to compress
        noise = np.random.default_rng(0).integers(0, 16, (self.height, self.width, 3))
        ramp = np.linspace(0, 239, self.width)[None, :, None]
        self.colour = array.array("B", (ramp + noise).astype(np.uint8).tobytes())
        self.depth = array.array("B", (500 + 4 * ramp[..., 0] + noise[..., 0]).astype(np.uint16).tobytes())
        wanted = None if node.parameter(self, "depth", True) else {"color", "color_info"}
        self.count = 0
        self.outputs = [
            (
                name,
                {
                    key: self.create_publisher(CameraInfo if "info" in key else Image, topic, PROFILES["camera"])
                    for key, topic in topics.camera_topics(name).items()
                    if wanted is None or key in wanted
                },
            )
            for name in names
        ]
        self.create_timer(1.0 / node.parameter(self, "rate", RATE), self.on_timer, clock=node.steady_clock())

    def on_timer(self):
        self.count += 1
        stamp = self.get_clock().now().to_msg()
        for data in (self.colour, self.depth):
            data[:4] = array.array("B", self.count.to_bytes(4, "little"))
        for name, publishers in self.outputs:
            k = [600.0, 0.0, self.width / 2, 0.0, 600.0, self.height / 2, 0.0, 0.0, 1.0]
            size = {"width": self.width, "height": self.height}
            info = CameraInfo(**size, k=k)
            colour = Image(**size, encoding="rgb8", step=3 * self.width, data=self.colour)
            depth = Image(**size, encoding="16UC1", step=2 * self.width, data=self.depth)
            for msg in (info, colour, depth):
                msg.header.stamp, msg.header.frame_id = stamp, f"{name}_color_optical_frame"
            for key, msg in (("color_info", info), ("depth_info", info), ("color", colour), ("depth", depth)):
                if key in publishers:
                    publishers[key].publish(msg)


if __name__ == "__main__":
    node.run(Cameras)
