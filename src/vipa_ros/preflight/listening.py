"""Listens to a running cell for some seconds and gives what was heard: cameras, joints, controllers, frames, motion. Moves nothing."""

import time
from contextlib import suppress

import numpy as np
from controller_manager_msgs.srv import ListControllers
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, JointState
from tf2_msgs.msg import TFMessage
from vipa_msgs.msg import MotionStatus, RobotStatus, SafetyStatus

from vipa.errors import VipaError
from vipa.moveit.names import servo_node
from vipa.preflight.heard import CameraHeard, Heard
from vipa.recording import topics
from vipa.robot.description import Robot
from vipa_ros.common import convert
from vipa_ros.common.images import pixels
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import CAMERA_READER, PROFILES, STATIC_READER
from vipa_ros.common.services import RETRY_S, Services
from vipa_ros.robot.controller_parameters import ControllerParameters, listed

LIST = topics.LIST_CONTROLLERS
SERVO_GROUP = "moveit_servo.move_group_name"
ANSWER_TIMEOUT_S = 6.0  # wall seconds for a node to be heard of and to answer
CONTROLLERS_TIMEOUT_S = 3.0  # wall seconds more for controllers that have not said their parameters
FIRST_MESSAGE_TIMEOUT_S = 8.0  # wall seconds for the first of what is listened to
AS_MOTION = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)  # hears what motion hears, of longer stalls
BEST_EFFORT = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)  # hears reliable and unreliable writers


class Ear:
    """What `node` hears of `robot`. ros2_control: it is asked, too. moveit: MoveIt's Servo nodes are. One thread."""

    def __init__(self, node: Node, robot: Robot, cameras: list[str], ros2_control: bool, moveit: bool = False):
        self.node, self.robot, self.heard = node, robot, Heard(0.0)
        self.heard.cameras = {name: CameraHeard() for name in cameras}
        self.services = Services(node, {LIST: ListControllers} if ros2_control else {})
        self.servos = {g.name: f"{servo_node(g.name)}/get_parameters" for g in robot.arms} if moveit else {}
        self.services.add(dict.fromkeys(self.servos.values(), GetParameters))
        wanted = {g.controller: g.joints for g in robot.groups}
        self.parameters = ControllerParameters(self.services, wanted) if ros2_control else None
        listen = Listener(node).on
        listen(JointState, topics.JOINT_STATES, self.on_joints, AS_MOTION)
        listen(DiagnosticArray, topics.DIAGNOSTICS, self.on_diagnostics, BEST_EFFORT)
        listen(TFMessage, topics.TF, self.on_frames, BEST_EFFORT)
        listen(TFMessage, topics.TF_STATIC, self.on_frames, STATIC_READER)
        listen(SafetyStatus, topics.SAFETY_STATUS, self.on_safety, PROFILES["latched"])
        listen(MotionStatus, topics.MOTION_STATUS, self.on_motion, BEST_EFFORT)
        listen(RobotStatus, topics.ROBOT_STATUS, self.on_robot, PROFILES["latched"])
        for group in robot.arms:
            listen(WrenchStamped, group.wrench_topic, lambda _, g=group.name: self.on_wrench(g), AS_MOTION)
        for camera in cameras:
            names = topics.camera_topics(camera)
            listen(Image, names["color"], lambda msg, c=camera: self.on_color(c, msg), CAMERA_READER)
            listen(Image, names["depth"], lambda msg, c=camera: self.on_depth(c, msg), CAMERA_READER)
            listen(CameraInfo, names["color_info"], lambda msg, c=camera: self.on_info(c, msg), CAMERA_READER)

    async def listen(self, seconds: float) -> Heard:
        """What is heard in `seconds` of wall time, from when something is heard at all."""
        heard, services = self.heard, self.services
        await services.until(
            lambda: bool(heard.joints) and all(c.stamps for c in heard.cameras.values()), FIRST_MESSAGE_TIMEOUT_S
        )
        for camera in heard.cameras.values():
            camera.stamps.clear()
            camera.depth_stamps.clear()
        heard.joints.clear()
        heard.joint_offsets.clear()
        heard.wrenches.clear()
        began = time.monotonic()
        if self.parameters is not None:
            await self.ask_controllers()
        for arm, service in self.servos.items():
            heard.servos[arm] = await self.ask_servo(service)
        while time.monotonic() - began < seconds + (CONTROLLERS_TIMEOUT_S if self.unsaid() else 0.0):
            await services.pause(0.1)
            if self.parameters is not None:
                self.parameters.look(heard.controllers or {})
        heard.seconds = time.monotonic() - began
        heard.simulated = bool(self.node.get_publishers_info_by_topic(topics.CLOCK))
        heard.parameters = dict(self.parameters.known) if self.parameters is not None else {}
        heard.nodes = {f"{space.rstrip('/')}/{name}" for name, space in self.node.get_node_names_and_namespaces()}
        return heard

    def unsaid(self) -> bool:
        """Whether an active controller of the arms has not said its parameters."""
        return self.parameters is not None and self.parameters.asking(self.heard.controllers or {})

    async def ask_controllers(self) -> None:
        with suppress(VipaError):  # nobody answers: a finding
            answer = await self.services.call(LIST, ListControllers.Request(), ANSWER_TIMEOUT_S, RETRY_S)
            self.heard.controllers = listed(answer)

    async def ask_servo(self, service: str) -> str:
        """The move group that a Servo node moves; '' if it does not answer."""
        try:
            answer = await self.services.call(
                service, GetParameters.Request(names=[SERVO_GROUP]), ANSWER_TIMEOUT_S, RETRY_S
            )
        except VipaError:
            return ""
        return answer.values[0].string_value if answer.values else ""

    def on_joints(self, msg):
        state = convert.joint_state(msg)
        arrival = time.time_ns()
        self.heard.joint_offsets.append((arrival - state.stamp_ns) / 1e9)
        for i, name in enumerate(state.names):
            self.heard.joints.setdefault(name, []).append(state.stamp_ns)
            self.heard.positions[name] = float(state.positions[i])
            velocity = float(state.velocities[i])
            self.heard.velocities[name] = velocity if np.isfinite(velocity) else 0.0

    def on_diagnostics(self, msg):
        for status in msg.status:
            for name, camera in self.heard.cameras.items():
                # our node's, and realsense2_camera's: "<namespace>/<name>: …", hardware_id the serial
                if status.name.endswith(f"realsense: {name}") or status.name.split(":")[0].endswith(name):
                    camera.facts |= {item.key.lower(): item.value for item in status.values}
                    if status.hardware_id and "serial" not in camera.facts:
                        camera.facts["serial"] = status.hardware_id

    def on_frames(self, msg):
        self.heard.frames |= {t.child_frame_id: t.header.frame_id for t in msg.transforms}

    def on_safety(self, msg):
        self.heard.estop, self.heard.stop_reasons = bool(msg.estop), tuple(msg.stop_reasons)

    def on_motion(self, msg):
        self.heard.authority = msg.authority

    def on_robot(self, msg):
        self.heard.robot_ready = "" if msg.ready else msg.message or "not ready"

    def on_wrench(self, group):
        self.heard.wrenches[group] = self.heard.wrenches.get(group, 0) + 1

    def on_color(self, camera, msg):
        seen = self.heard.cameras[camera]
        seen.stamps.append((convert.time_ns(msg.header.stamp), time.time_ns()))
        seen.size = msg.width, msg.height
        if len(seen.stamps) % 10 == 1:
            seen.mean = float(np.mean(pixels(msg)[::8, ::8]))

    def on_depth(self, camera, msg):
        self.heard.cameras[camera].depth_stamps.append(convert.time_ns(msg.header.stamp))

    def on_info(self, camera, msg):
        seen = self.heard.cameras[camera]
        seen.info_size, seen.k = (msg.width, msg.height), np.array(msg.k, float).reshape(3, 3)
