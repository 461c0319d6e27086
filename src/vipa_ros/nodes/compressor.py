"""Node `compressor`: the cameras' pictures once more, compressed, for a commander on another host or for the bag: colour as JPEG, aligned depth as lossless
PNG, on the topics of image_transport's plugins. What nobody listens to is not compressed.

Parameters: robot (name or path); cameras (names with commas; empty: all of the robot file).
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

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


MOST_WAITING = 5  # pictures of a topic: beyond, the machine does not keep up, and the newest is dropped


class InTurn:
    """Does work in a thread of its own, in the order in which it is asked, and tells its errors to who asks next."""

    def __init__(self):
        self.pool = ThreadPoolExecutor(1)
        self.waiting: deque[Future] = deque()

    def do(self, work: Callable, *arguments) -> None:
        """Asks for `work`. Raises ValueError that earlier work raised, or for more than MOST_WAITING that wait."""
        done = []
        while self.waiting and self.waiting[0].done():
            done.append(self.waiting.popleft().exception())
        late = len(self.waiting) >= MOST_WAITING
        if not late:
            self.waiting.append(self.pool.submit(work, *arguments))
        for error in filter(None, done):
            raise error
        if late:
            raise ValueError(f"{len(self.waiting)} pictures wait to be compressed: this machine does not keep up")

    def close(self) -> None:
        """Waits for the work that is under way; what waits is not done."""
        self.pool.shutdown(cancel_futures=True)


class CompressorNode(Node):
    """A thread that listens, and one a topic that compresses: OpenCV does it without Python's lock."""

    def __init__(self):
        super().__init__("compressor")
        robot = load_robot(node.parameter(self, "robot", str))
        known = [camera.name for camera in robot.cameras]
        cameras = [name for name in node.parameter(self, "cameras", "").split(",") if name] or known
        if strangers := [name for name in cameras if name not in known]:
            raise unknown(f"camera of robot {robot.name}", strangers[0], known)
        listen = Listener(self).on
        self.workers: list[InTurn] = []
        for camera in cameras:
            plain, compressed = topics.camera_topics(camera), topics.compressed_topics(camera)
            for key in HOW:
                out = self.create_publisher(CompressedImage, compressed[key], PROFILES["camera"])
                worker = InTurn()
                self.workers.append(worker)
                take = lambda msg, w=worker, k=key, p=out: w.do(self.take, k, p, msg)  # noqa: E731
                listen(Image, plain[key], take, CAMERA_READER)

    def take(self, key, publisher, msg):
        if not publisher.get_subscription_count():
            return
        picture, (name, encode, wanted) = pixels(msg), HOW[key]
        if (picture.dtype.name, picture.ndim) != wanted:
            raise ValueError(f"{key} image of encoding '{msg.encoding}'; allowed: colour of 8 bits, depth 16UC1")
        publisher.publish(CompressedImage(header=msg.header, format=name, data=encode(picture)))

    def close(self):
        for worker in self.workers:
            worker.close()


def main():
    node.run(CompressorNode)


if __name__ == "__main__":
    main()
