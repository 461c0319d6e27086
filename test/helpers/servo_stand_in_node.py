"""The stand-in as a ROS node with Servo's topics and services: python -m helpers.servo_stand_in_node ROBOT GROUP."""

import sys

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from moveit_msgs.msg import ServoStatus
from moveit_msgs.srv import ServoCommandType
from rclpy.executors import ExternalShutdownException
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from helpers.servo_stand_in import PERIOD, StandIn
from vipa.moveit.names import SERVO_JOINT_STATES, servo_node, servo_output
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics
from vipa_ros.common import convert, lifeline


def main() -> None:
    robot, group = sys.argv[1:3]  # beside them what rcl takes: --ros-args …
    servo = StandIn(Kinematics(load_robot(robot)).group(group))
    lifeline.tie()
    rclpy.init()
    node = rclpy.create_node(
        "servo",
        namespace=servo_node(group).rsplit("/", 1)[0],
        allow_undeclared_parameters=True,
        automatically_declare_parameters_from_overrides=True,
    )
    assert node.get_fully_qualified_name() == servo_node(group)
    status = node.create_publisher(ServoStatus, "~/status", 10)
    output = node.create_publisher(JointTrajectory, servo_output(group), 10)

    def on_joint_state(msg):
        index = [msg.name.index(joint) for joint in servo.joints]
        servo.joint_state(np.array(msg.position)[index])

    def on_pose(msg):
        servo.pose_target(convert.time_ns(msg.header.stamp), msg.header.frame_id, convert.pose_array(msg.pose))

    def on_type(request, response):
        response.success = servo.switch_command_type(request.command_type)
        return response

    def on_pause(request, response):
        response.success = servo.pause_servo(request.data)
        return response

    def cycle():
        said, trajectory = servo.cycle(node.get_clock().now().nanoseconds)
        if trajectory is not None:
            output.publish(convert.trajectory_msg(trajectory))
        if said is not None:
            status.publish(ServoStatus(code=said[0], message=said[1]))

    node.create_subscription(JointState, SERVO_JOINT_STATES, on_joint_state, 10)
    node.create_subscription(PoseStamped, "~/pose_target_cmds", on_pose, 10)
    node.create_service(ServoCommandType, "~/switch_command_type", on_type)
    node.create_service(SetBool, "~/pause_servo", on_pause)
    clock, due = node.get_clock(), 0
    try:
        while rclpy.ok():  # rclcpp::WallRate, at the pace of the cell's time
            due = max(due + round(PERIOD * 1e9), clock.now().nanoseconds)
            while clock.now().nanoseconds < due:
                rclpy.spin_once(node, timeout_sec=PERIOD)
            cycle()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass


if __name__ == "__main__":
    main()
