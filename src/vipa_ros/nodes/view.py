"""Node `view`: the running graph in 3D, for Foxglove and Lichtblick over Foxglove's WebSocket protocol: robot model, transforms, camera
pictures, the path of the newest chunk, state. Viewers see and can send nothing. For RViz it publishes the path, `/vipa/chunk_path/<group>`.

Parameters: at (HOST[:PORT], loopback by default; the protocol knows no token), serve (bool: False publishes the path alone). Wants the
package foxglove-sdk (`pip install 'vipa_ros[view]'`).
"""

import os
import re

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Path
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from vipa_msgs.msg import ActionChunk, EpisodeStatus, MotionStatus, SafetyStatus

from vipa.recording import topics
from vipa.recording.topic_names import camera_topics, chunk_path_topic
from vipa.web import access
from vipa_ros.common import convert, node
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import CAMERA_READER, CLOCK_READER, PROFILES, STATIC_READER
from vipa_ros.view.foxglove_server import FoxgloveServer

PORT = 8765  # what viewers expect
FIND_PERIOD_S = 1.0  # wall seconds between two looks at the graph's topics
NICE = 10  # control goes first where cores are few
MAX_PATHS = 8  # groups whose paths are published
TOPICS = {  # topic → type, how it is read
    topics.TF: (TFMessage, "stream"),
    topics.TF_STATIC: (TFMessage, "static"),
    topics.ROBOT_DESCRIPTION: (String, "latched"),
    topics.JOINT_STATES: (JointState, "stream"),
    topics.MOTION_STATUS: (MotionStatus, "stream"),
    topics.SAFETY_STATUS: (SafetyStatus, "latched"),
    topics.EPISODE_STATUS: (EpisodeStatus, "latched"),
    topics.DIAGNOSTICS: (DiagnosticArray, "stream"),
}
READERS = PROFILES | {"static": STATIC_READER, "picture": CAMERA_READER}


class ViewNode(Node):
    """Single thread; the server has its own."""

    def __init__(self):
        super().__init__("view")
        host, port = access.parse(node.parameter(self, "at", f"localhost:{PORT}"), PORT)
        self.server = FoxgloveServer(host, port) if node.parameter(self, "serve", True) else None
        self.paths = {}
        self.pictured: set[str] = set()
        listen = Listener(self).on
        listen(ActionChunk, topics.ACTION_CHUNK, self.on_chunk, PROFILES["stream"])
        if self.server is not None:
            for name, (kind, how) in TOPICS.items():
                self.forward(name, kind, how)
            listen(Clock, topics.CLOCK, self.on_clock, CLOCK_READER)
            self.create_timer(FIND_PERIOD_S, self.find, clock=node.steady_clock())
            print(f"view: {self.server.address}; open it in Foxglove or Lichtblick", flush=True)

    def forward(self, name: str, kind: type, how: str):
        """Messages of a topic go to viewers as they were serialized, while one looks; what is latched is kept for those that come later."""
        type_ = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
        latched = how in ("latched", "static")
        self.server.add(name, type_, latched)
        self.create_subscription(kind, name, lambda data: self.server.send(name, bytes(data)), READERS[how], raw=True)

    def find(self):
        """Cameras that are there; simulated time."""
        names = [name for name, types in self.get_topic_names_and_types() if "sensor_msgs/msg/Image" in types]
        for name in names:
            parts = name.split("/")
            if len(parts) > 2 and parts[1] == "camera" and parts[2] not in self.pictured:
                self.pictured.add(parts[2])
                found = camera_topics(parts[2])
                self.forward(found["color"], Image, "picture")
                self.forward(found["color_info"], CameraInfo, "picture")
        simulated = self.count_publishers(topics.CLOCK) > 0
        if simulated != self.get_parameter("use_sim_time").value:
            self.set_parameters([Parameter("use_sim_time", value=simulated)])

    def on_clock(self, msg):
        self.server.tell_time(convert.time_ns(msg.clock))

    def on_chunk(self, msg):
        """The tool's way in the newest chunk, a path a group; a group that holds has an empty one."""
        convert.chunk(msg)  # refuses what is none
        for group in msg.groups:
            path = Path()
            path.header.stamp, path.header.frame_id = msg.start_time, group.frame_id
            path.poses = [PoseStamped(header=path.header, pose=pose) for pose in group.poses]
            name = chunk_path_topic(group.name)
            if name not in self.paths:
                if len(self.paths) >= MAX_PATHS or not re.fullmatch(r"[A-Za-z]\w{0,99}", group.name, re.ASCII):
                    raise ValueError(f"group {group.name[:80]!r}: no topic, or one of more than {MAX_PATHS}")
                self.paths[name] = self.create_publisher(Path, name, PROFILES["stream"])
                if self.server is not None:
                    self.forward(name, Path, "stream")
            self.paths[name].publish(path)

    def close(self):
        if self.server is not None:
            self.server.close()


def main():
    os.nice(NICE)
    node.run(ViewNode)


if __name__ == "__main__":
    main()
