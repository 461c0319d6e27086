"""The publishers of a camera's topics, whoever takes the pictures."""

from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image

from vipa.recording import topics
from vipa_ros.common.qos import PROFILES

KINDS = {"color": Image, "color_info": CameraInfo, "depth": Image, "depth_info": CameraInfo}


def image_publishers(node: Node, camera: str) -> dict[str, Publisher]:
    """Makes the publishers of one camera: colour, depth, their CameraInfo. Returns them by the keys of `topics.camera_topics`."""
    return {
        key: node.create_publisher(KINDS[key], name, PROFILES["camera"])
        for key, name in topics.camera_topics(camera).items()
    }
