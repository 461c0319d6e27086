"""Newest frames of the cameras from their topics, with the poses they were taken from, as an Observation."""

from collections import deque

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState

from vipa_ros.policy.observer import FreshnessCheck
from vipa_ros.robot.cameras import CameraPoses
from vipa_ros.robot.description import Robot
from vipa_ros.robot.measured import GroupReader
from vipa_ros.robot.state import CameraFrame, Observation
from vipa_ros.ros import convert, topics
from vipa_ros.ros.qos import CAMERA_READER, PROFILES


class CameraReader:
    """Subscribes best-effort, depth 1; converts only what `observe` asks for. The node's thread."""

    def __init__(self, node: Node, robot: Robot, cameras, instruction: str, simulated: bool):
        self.poses = CameraPoses(robot)
        self.reader = GroupReader(robot)
        self.instruction = instruction
        self.check = FreshnessCheck(cameras, still_ok=simulated)
        self.latest: dict[str, dict] = {c: {} for c in cameras}
        self.frames: dict[str, CameraFrame] = {}
        self.joints: deque[JointState] = deque(maxlen=round(robot.control_rate))
        node.create_subscription(JointState, topics.JOINT_STATES, self.on_joints, PROFILES["stream"])
        kinds = {"color": Image, "depth": Image, "color_info": CameraInfo}
        for camera in cameras:
            names = topics.camera_topics(camera)
            for key, kind in kinds.items():
                node.create_subscription(
                    kind, names[key], lambda msg, c=camera, k=key: self.on_message(c, k, msg), CAMERA_READER
                )

    def on_joints(self, msg):
        self.joints.append(msg)

    def on_message(self, camera, key, msg):
        latest = self.latest[camera]
        latest[key] = msg
        color, depth, info = (latest.get(k) for k in ("color", "depth", "color_info"))
        if color and depth and info and color.header.stamp == depth.header.stamp == info.header.stamp:
            self.latest[camera] = {"whole": (color, depth, info)}

    def observe(self, now_ns: int) -> Observation | str:
        """The observation at `now_ns`, with the groups' states at its own stamp, or why there is none."""
        if not self.joints:
            return "no joint states yet"
        for camera, latest in self.latest.items():
            whole = latest.pop("whole", None)
            if whole:
                color = whole[0]
                joints = self._joints_at(convert.time_ns(color.header.stamp))
                pose = self.poses.extrinsics(camera, self.reader.vector(joints))
                try:
                    self.frames[camera] = convert.camera_frame(camera, *whole, pose)
                except ValueError as error:
                    return f"camera {camera}: {error}"
        if fault := self.check.fault(self.frames, now_ns):
            return fault
        stamp = min(f.stamp_ns for f in self.frames.values())
        return Observation(stamp, dict(self.frames), self.reader.groups(self._joints_at(stamp)), self.instruction)

    def _joints_at(self, stamp_ns):
        """The joint state nearest to `stamp_ns`."""
        return convert.joint_state(min(self.joints, key=lambda m: abs(convert.time_ns(m.header.stamp) - stamp_ns)))
