"""Node `franky`: runs one Franka arm and its hand through franky (libfranka's protocol), without ros2_control: takes what motion
commands to the controllers of the robot file, publishes joint states and the wrench, and recovers when it is asked to.

Parameters: robot (name or path), whose file says under `franky` where the arm is; group (the arm; default: the first).
"""

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory
from vipa_msgs.msg import RobotStatus

from vipa.drivers.franky_arm import FrankyArm
from vipa.drivers.franky_hand import FrankyHand
from vipa.drivers.joint_stream import JointStream
from vipa.errors import VipaError, unknown
from vipa.recording import topics
from vipa.robot import state
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics
from vipa_ros.common import convert, node
from vipa_ros.common.diagnostics import publish_diagnostics
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import PROFILES, newest
from vipa_ros.common.services import Services

PRIORITY = -15  # nice value, where this user may set it
STATUS_PERIOD_S = 0.1  # wall seconds between two words of the arm's state
POLL_S = 0.05  # wall seconds between two looks at a recovery


class FrankyNode(Node):
    """One step a period of the control rate: read, publish, give the next velocity. Single thread, beside it that of a recovery."""

    def __init__(self):
        with contextlib.suppress(
            PermissionError
        ):  # a velocity's lease is short; of this thread and of all that it starts
            os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
        super().__init__("franky")
        robot = load_robot(node.parameter(self, "robot", str))
        arms = {g.name: g for g in robot.arms}
        name = node.parameter(self, "group", next(iter(arms)))
        if name not in arms:
            raise unknown("group", name, arms)
        self.group = group = arms[name]
        if group.franky is None:
            raise VipaError(f"robot '{robot.name}': group {name}: franky is not set; allowed: franky: {{address: …}}")
        if len(group.joints) != 7:
            raise VipaError(f"robot '{robot.name}': group {name} has {len(group.joints)} joints; a Franka arm has 7")
        chain = Kinematics(robot).group(name)
        margin = group.position_margin  # motion keeps it, a retreat may begin in it
        limits = chain.lower - margin, chain.upper + margin, np.asarray(group.max_velocity, float)
        self.stream = JointStream(group.controller, group.joints, limits)
        self.arm = FrankyArm(group.franky)
        reading = self.arm.read()
        self.arm.check_tool(chain.placement(reading.positions).homogeneous if reading else np.eye(4))
        self.hand = FrankyHand(group.franky.address, group.hand, self.arm.api) if group.hand else None
        self.reading, self.said, self.said_at, self.stalls = reading, None, 0.0, 0
        self.streamed = False  # the last step gave a velocity
        self.pool = ThreadPoolExecutor(1)

        stream, latched = PROFILES["stream"], PROFILES["latched"]
        self.joints = self.create_publisher(JointState, topics.JOINT_STATES, stream)
        self.wrench = self.create_publisher(WrenchStamped, group.wrench_topic, stream)
        self.status = self.create_publisher(RobotStatus, topics.arm_status(name), latched)
        self.diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, stream)
        self.listener, self.pauses = Listener(self), Services(self, {})
        self.listener.on(JointTrajectory, topics.command_topic(group.controller), self.on_command, newest())
        if self.hand:
            self.listener.on(JointTrajectory, topics.command_topic(group.hand.controller), self.on_hand, newest())
        self.create_service(
            Trigger, topics.arm_recovery(name), self.on_recover, callback_group=ReentrantCallbackGroup()
        )
        self.create_timer(1.0 / robot.control_rate, self.step, clock=node.steady_clock())
        self.create_timer(1.0, self.on_diagnostics, clock=node.steady_clock())
        self.get_logger().info(f"franky ready: {name} at {group.franky.address}")

    def on_command(self, msg):
        if not msg.header.frame_id.isdigit():
            raise ValueError(
                f"header.frame_id '{msg.header.frame_id}'; allowed: the stamp of the joint state that is answered"
            )
        if self.reading is None or not self.arm.state(self.reading).ready:
            return  # node `robot` says why; motion is stopped
        age = (self.get_clock().now().nanoseconds - int(msg.header.frame_id)) / 1e9
        command = convert.trajectory(msg)
        if why := self.stream.take(command, age, time.monotonic(), self.reading.positions):
            raise ValueError(why)

    def on_hand(self, msg):
        command, hand = convert.trajectory(msg), self.group.hand
        if command.joint_names != tuple(hand.joints) or command.positions.shape != (len(command.times), 1):
            raise ValueError(
                f"positions {command.positions.shape} of {', '.join(command.joint_names)}; allowed: of {hand.joints[0]}"
            )
        low, high = sorted((hand.closed[0], hand.open[0]))
        target = float(command.positions[-1, 0])
        if not low - 1e-6 <= target <= high + 1e-6:  # also what is no number
            raise ValueError(f"{hand.joints[0]} at {target:g}; allowed: {low:g} .. {high:g}")
        if self.reading is not None and self.arm.state(self.reading).ready:
            self.hand.take(target)

    def step(self):
        try:
            self.reading = self.arm.read()
        except ValueError as error:
            self.reading = None
            self.get_logger().error(str(error), throttle_duration_sec=1.0)
        reading, was = self.reading, self.stream.following
        self.publish_state(reading)
        ready = reading is not None and self.arm.state(reading).ready
        if self.streamed and not self.arm.moving and ready:
            self.stalls += 1  # a velocity's lease ran out before the next came: franky has braked
            self.stream.stop()
        velocity = self.stream.velocity(time.monotonic(), reading.desired) if ready else None
        if velocity is not None:
            self.arm.give(velocity)
        else:
            self.stream.stop()
            if was:
                self.arm.brake()
        self.streamed = velocity is not None and self.arm.moving
        if self.hand and ready:
            self.hand.look()

    def publish_state(self, reading):
        """Joint states, wrench, and what node `robot` is told."""
        now, group = self.get_clock().now(), self.group
        if reading is not None:
            if self.hand:  # before the arm, whose state is what motion answers
                msg = JointState(name=list(group.hand.joints), position=[self.hand.finger])
                msg.header.stamp = now.to_msg()
                self.joints.publish(msg)
            measured = reading.positions, reading.velocities, reading.efforts
            self.joints.publish(
                convert.joint_state_msg(state.JointState(now.nanoseconds, tuple(group.joints), *measured))
            )
            self.wrench.publish(convert.wrench_msg(reading.wrench, now.to_msg(), group.tool_frame))
        said = self.arm.state(reading)
        if said != self.said or time.monotonic() - self.said_at >= STATUS_PERIOD_S:
            if not said.ready and said != self.said:
                self.get_logger().error(f"{group.name}: {said.message}")
            self.said, self.said_at = said, time.monotonic()
            msg = RobotStatus(ready=said.ready, estop=said.estop, mode=said.mode, message=said.message)
            msg.header.stamp = now.to_msg()
            self.status.publish(msg)

    async def on_recover(self, request, response):
        """Asked by a person, by way of node `robot`."""
        task = self.pool.submit(self.arm.recover)
        while not task.done():
            await self.pauses.pause(POLL_S)
        response.message = task.result()
        response.success = not response.message
        return response

    def on_diagnostics(self):
        said, reading = self.arm.state(self.reading), self.reading
        values = {"mode": said.mode, "stalls": self.stalls, "refused": sum(self.listener.dropped.values())}
        if reading is not None:
            values["commands_in_time"] = f"{reading.success:.3f}"
        if self.hand:
            values["hand"] = self.hand.fault or "ok"
        publish_diagnostics(self.diagnostics, self, said.ready, said.message or said.mode, values)

    def close(self):
        """Brakes the arm: this node ends."""
        self.stream.stop()
        self.arm.brake()
        self.arm.rest()
        if self.hand:
            self.hand.close()
        self.pool.shutdown(wait=False)


def main():
    node.run(FrankyNode)


if __name__ == "__main__":
    main()
