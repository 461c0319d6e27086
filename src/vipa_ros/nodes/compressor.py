"""Node `compressor`: the cameras' pictures once more, compressed, for a commander on another host or for the bag: colour as JPEG, aligned depth as lossless
PNG, on the topics of image_transport's plugins. What nobody listens to is not compressed.

Parameters: robot (name or path); cameras (names with commas; empty: all of the robot file).
"""

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from vipa import compressed_images
from vipa.errors import unknown
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa_ros.common import node
from vipa_ros.common.images import pixels
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import CAMERA_READER, PROFILES

HOW = {"color": (compressed_images.COLOR, compressed_images.color_bytes, ("uint8", 3)),
       "depth": (compressed_images.DEPTH, compressed_images.depth_bytes, ("uint16", 2))}  # fmt: skip


class CompressorNode(Node):
    """Single thread."""

    def __init__(self):
        super().__init__("compressor")
        robot = load_robot(node.parameter(self, "robot", str))
        known = [camera.name for camera in robot.cameras]
        cameras = [name for name in node.parameter(self, "cameras", "").split(",") if name] or known
        if strangers := [name for name in cameras if name not in known]:
            raise unknown(f"camera of robot {robot.name}", strangers[0], known)
        listen = Listener(self).on
        for camera in cameras:
            plain, compressed = topics.camera_topics(camera), topics.compressed_topics(camera)
            for key in HOW:
                out = self.create_publisher(CompressedImage, compressed[key], PROFILES["camera"])
                listen(Image, plain[key], lambda msg, k=key, p=out: self.take(k, p, msg), CAMERA_READER)

    def take(self, key, publisher, msg):
        if not publisher.get_subscription_count():
            return
        picture, (name, encode, wanted) = pixels(msg), HOW[key]
        if (picture.dtype.name, picture.ndim) != wanted:
            raise ValueError(f"{key} image of encoding '{msg.encoding}'; allowed: colour of 8 bits, depth 16UC1")
        publisher.publish(CompressedImage(header=msg.header, format=name, data=encode(picture)))


def main():
    node.run(CompressorNode)


if __name__ == "__main__":
    main()
