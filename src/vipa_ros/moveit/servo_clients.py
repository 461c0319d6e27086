"""The wires between motion and MoveIt's Servo nodes: topics, services and nothing else. What they mean is `vipa.moveit`'s."""

import time

from geometry_msgs.msg import PoseStamped
from moveit_msgs.msg import ServoStatus
from moveit_msgs.srv import ServoCommandType
from rclpy.node import Node
from sensor_msgs.msg import JointState as JointStateMsg
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from vipa.moveit.backend import MoveItBackend
from vipa.moveit.names import SERVO_JOINT_STATES, servo_node, servo_output
from vipa.moveit.servo_dialogue import Pause, ServoDialogue, SetType
from vipa.robot.state import JointState
from vipa_ros.common import convert
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import PROFILES, newest

LOOK_PERIOD_S = 0.2  # wall seconds between looks for the services
TREMBLE_RAD = 1e-6  # radians: Servo starts only when a joint state is not exactly the one before


class ServoClients:
    """Carries messages for the `dialogues` of a MoveItBackend. On the node's executor, single thread.

    listener: the node's subscriptions.
    """

    def __init__(self, node: Node, backend: MoveItBackend, listener: Listener):
        self.backend = backend
        self.joint_states = node.create_publisher(JointStateMsg, SERVO_JOINT_STATES, PROFILES["stream"])
        self.wires = [_Wires(node, dialogue, listener) for dialogue in backend.dialogues.values()]
        self.looked, self.odd = -LOOK_PERIOD_S, False

    def exchange(self, state: JointState) -> None:
        """After a motion step: what it wants said is sent, and the joint states are handed on."""
        now = time.monotonic()
        if now - self.looked >= LOOK_PERIOD_S:
            self.looked = now
            self.backend.present = {wires.dialogue.group.name for wires in self.wires if wires.ready()}
        self.odd = not self.odd
        positions = state.positions
        for wires in self.wires:
            wires.send()
            if wires.dialogue.trembling and self.odd:
                positions = positions.copy()
                positions[state.names.index(wires.dialogue.group.joints[0])] += TREMBLE_RAD
        handed_on = JointState(state.stamp_ns, state.names, positions, state.velocities)
        self.joint_states.publish(convert.joint_state_msg(handed_on))


class _Wires:
    """Of one Servo node."""

    def __init__(self, node: Node, dialogue: ServoDialogue, listener: Listener):
        self.dialogue = dialogue
        name = servo_node(dialogue.group.name)
        self.poses = node.create_publisher(PoseStamped, f"{name}/pose_target_cmds", PROFILES["stream"])
        self.types = node.create_client(ServoCommandType, f"{name}/switch_command_type")
        self.pauses = node.create_client(SetBool, f"{name}/pause_servo")
        listener.on(JointTrajectory, servo_output(dialogue.group.name), self.on_output, newest())
        listener.on(ServoStatus, f"{name}/status", self.on_status, newest())

    def ready(self) -> bool:
        return self.types.service_is_ready() and self.pauses.service_is_ready()

    def send(self) -> None:
        requests, self.dialogue.requests = self.dialogue.requests, []
        for request in requests:
            if isinstance(request, SetType):
                future = self.types.call_async(ServoCommandType.Request(command_type=ServoCommandType.Request.POSE))
            else:
                future = self.pauses.call_async(SetBool.Request(data=request.pause))
            future.add_done_callback(lambda done, asked=request: self.on_answer(asked, done))
        command, self.dialogue.command = self.dialogue.command, None
        if command is not None:
            msg = PoseStamped(pose=convert.pose_msg(command.pose))
            msg.header.frame_id, msg.header.stamp = command.frame_id, convert.time_msg(command.stamp_ns)
            self.poses.publish(msg)

    def on_answer(self, request: SetType | Pause, future) -> None:
        answer = future.result()
        self.dialogue.answered(request, answer is not None and answer.success)

    def on_output(self, msg: JointTrajectory) -> None:
        if why := self.dialogue.take_output(convert.trajectory(msg), time.monotonic()):
            raise ValueError(why)

    def on_status(self, msg: ServoStatus) -> None:
        self.dialogue.take_status(msg.code, msg.message, time.monotonic())
