"""Newest frames of the cameras from their topics, with the poses they were taken from, as an Observation."""

from dataclasses import replace

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from tf2_msgs.msg import TFMessage

from vipa.commanders.policy.freshness import MAX_AGE_S, FreshnessCheck
from vipa.recording import topics
from vipa.robot import observing
from vipa.robot.cameras import CameraPoses
from vipa.robot.description import Robot
from vipa.robot.joint_states import History, JointStates
from vipa.robot.lateness import exposed_ns
from vipa.robot.measured import GroupReader
from vipa.robot.state import CameraFrame, Observation
from vipa_ros.cameras import mounts
from vipa_ros.common import convert
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import CAMERA_READER, PROFILES, STATIC_READER

KINDS = {"color": Image, "depth": Image, "color_info": CameraInfo}
# of a camera, captures of which a part has come: the others' parts may come yet, and a busy machine loses some of each
MAX_BEGUN = 4


class CameraReader:
    """Subscribes best-effort, depth 1; converts only what `observe` asks for. The node's thread. compressed: the pictures of node
    `compressor`, which has them from the same cameras."""

    def __init__(self, node: Node, robot: Robot, cameras, instruction: str, simulated: bool, compressed: bool = False):
        self.robot, self.poses = robot, CameraPoses(robot)
        self.reader = GroupReader(robot)
        self.instruction = instruction
        self.check = FreshnessCheck(cameras, still_ok=simulated)
        self.begun: dict[str, dict[int, dict]] = {c: {} for c in cameras}  # by stamp, in the order of their first parts
        self.whole: dict[str, tuple] = {}
        self.frames: dict[str, CameraFrame] = {}
        self.faults: dict[str, str] = {}  # why the newest capture of a camera is of no use
        self.states, self.joints, listen = JointStates(robot), History(robot.control_rate), Listener(node).on
        listen(JointState, topics.JOINT_STATES, self.on_joints, PROFILES["stream"])
        listen(TFMessage, topics.TF_STATIC, self.on_static, STATIC_READER)
        for camera in cameras:
            names, kinds = topics.camera_topics(camera), KINDS
            if compressed:
                names = names | topics.compressed_topics(camera)
                kinds = KINDS | dict.fromkeys(topics.compressed_topics(camera), CompressedImage)
            for key, kind in kinds.items():
                listen(kind, names[key], lambda msg, c=camera, k=key: self.on_message(c, k, msg), CAMERA_READER)

    def on_joints(self, msg):
        why = self.states.take(convert.joint_state(msg))
        if (state := self.states.merged()) is not None:
            self.joints.add(state)
        if why:
            raise ValueError(why)

    def on_static(self, msg):
        mounts.hear(self.poses, msg)

    def on_message(self, camera, key, msg):
        begun, stamp = self.begun[camera], convert.time_ns(msg.header.stamp)
        parts = begun.setdefault(stamp, {})
        parts[key] = msg
        if len(parts) == len(KINDS):
            self.whole[camera] = tuple(parts[k] for k in KINDS)
            for older in list(begun):
                del begun[older]
                if older == stamp:
                    break
        elif len(begun) > MAX_BEGUN:
            del begun[next(iter(begun))]

    def observe(self, now_ns: int) -> Observation | str:
        """The observation at `now_ns`, with the groups' states at its own stamp, or why there is none."""
        if not self.joints.states:
            return self.states.missing()
        for camera in self.begun:
            if whole := self.whole.pop(camera, None):
                exposed = exposed_ns(self.robot, camera, convert.time_ns(whole[0].header.stamp))
                pose = self.poses.extrinsics(camera, self.reader.vector(self.joints.at(exposed)))
                try:
                    self.frames[camera] = replace(convert.camera_frame(camera, *whole, pose), stamp_ns=exposed)
                except ValueError as error:
                    self.frames.pop(camera, None)
                    self.faults[camera] = str(error)
                else:
                    self.faults.pop(camera, None)
        if self.faults:
            return next(iter(self.faults.values()))
        if fault := self.check.fault(self.frames, now_ns):
            late = (c for c in self.begun if c not in self.frames or now_ns - self.frames[c].stamp_ns > MAX_AGE_S * 1e9)
            return next((why for c in late if (why := apart(c, self.begun[c]))), fault)
        return observing.observation(self.frames, self.joints.at, self.reader, self.instruction)


def apart(camera: str, begun: dict[int, dict]) -> str:
    """'' or by how much the stamps of the newest colour, depth and info of a `camera` that go with nothing differ. begun: its parts by
    stamp."""
    stamps = {key: stamp for stamp, parts in begun.items() for key in parts}
    if len(stamps) < len(KINDS):
        return ""
    spread = (max(stamps.values()) - min(stamps.values())) / 1e6
    return f"camera {camera}: stamps of colour, depth and camera_info differ by {spread:.1f} ms; allowed: none, as the driver aligns them"
