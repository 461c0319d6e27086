"""Node `realsense`: RealSense cameras through pyrealsense2, on the topics and with the frames of realsense2_camera, for machines
without that driver. On /diagnostics: rate, lost frames, temperature, USB, firmware, and what is wrong, a status a camera.

Parameters: robot (name or path: its cameras, by serial number, and how each is run); cameras (names with commas; default: all).
"""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from vipa.drivers import realsense
from vipa.errors import VipaError, unknown
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa_ros.cameras.camera_thread import CameraThread
from vipa_ros.cameras.image_publishers import image_publishers
from vipa_ros.common import convert, node
from vipa_ros.common.qos import PROFILES

DIAGNOSTICS_PERIOD_S = 1.0  # wall seconds between two diagnostics


class RealSenseNode(Node):
    """A thread a camera; diagnostics on the node's own. plugged_in: what gives the handles of the cameras that are there."""

    def __init__(self, plugged_in=realsense.plugged_in):
        super().__init__("realsense")
        robot = load_robot(node.parameter(self, "robot", str))
        wanted = _names(node.parameter(self, "cameras", ""))
        have = {camera.name: camera for camera in robot.cameras}
        if strangers := [name for name in wanted if name not in have]:
            raise unknown(f"camera of robot {robot.name}", strangers[0], have)
        self.cameras = [have[name] for name in wanted or have]
        self.plugged_in = plugged_in
        self.diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, PROFILES["stream"])
        self.images = {c.name: image_publishers(self, c.name) for c in self.cameras}
        realsense.library()  # before any thread: what is missing is said at once
        realsense.find(self.cameras, [])
        self.threads = [CameraThread(c, lambda c=c: self.open(c), self.publish) for c in self.cameras]
        for thread in self.threads:
            thread.start()
        self.create_timer(DIAGNOSTICS_PERIOD_S, self.diagnose, clock=node.steady_clock())
        self.get_logger().info(f"realsense ready: {', '.join(c.name for c in self.cameras)}")

    def open(self, camera):
        """On the camera's thread: the device behind it, None while it is not plugged in."""
        handles = self.plugged_in()
        handle = realsense.find(self.cameras, handles).get(camera.name)
        if handle is None:
            there = ", ".join(realsense.facts(h)["serial"] for h in handles) or "none"
            raise VipaError(
                f"camera {camera.name}: {camera.serial or 'a RealSense camera'} is not plugged in; there are: {there}"
            )
        return realsense.Device(handle, camera)

    def publish(self, frame, capture):
        """On the camera's thread."""
        for key, msg in convert.frame_msgs(frame, capture.distortion).items():
            self.images[frame.name][key].publish(msg)

    def diagnose(self):
        array = DiagnosticArray()
        array.header.stamp = self.get_clock().now().to_msg()
        for thread in self.threads:
            state = thread.state()
            values = {
                "rate": f"{state.rate:.1f}",
                "lost": state.lost,
                "published": thread.published,
                "restarts": max(thread.restarts, 0),
                **({"temperature": thread.temperature} if thread.temperature is not None else {}),
                **thread.facts,
            }
            array.status.append(
                DiagnosticStatus(
                    level=DiagnosticStatus.ERROR if not state.rate else DiagnosticStatus.WARN if state.faults else DiagnosticStatus.OK,
                    name=f"vipa: realsense: {thread.camera.name}",
                    message="; ".join(state.faults) or "ok",
                    values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
                )
            )  # fmt: skip
        self.diagnostics.publish(array)

    def close(self):
        for thread in self.threads:
            thread.close()


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def main():
    node.run(RealSenseNode)


if __name__ == "__main__":
    main()
