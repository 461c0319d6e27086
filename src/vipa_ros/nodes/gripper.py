"""Node `gripper`: takes what motion commands to a hand controller and sends it on as GripperCommand goals, for grippers that have
an action and no trajectory controller (franka_gripper, GripperActionController). The position is the finger joint's, as there.

Parameters: robot (name or path); group (the arm; default: the first); action (default /franka_gripper/gripper_action).
"""

from control_msgs.action import GripperCommand
from rclpy.action import ActionClient
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from vipa.drivers.gripper import GoalStream
from vipa.errors import VipaError, unknown
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa_ros.common import convert, node
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import newest

PERIOD_S = 0.02  # wall seconds between two looks
SLACK = 1e-6  # metres or radians by which a command may lie outside of the stroke: rounding


class GripperNode(Node):
    """Single thread."""

    def __init__(self):
        super().__init__("gripper")
        robot = load_robot(node.parameter(self, "robot", str))
        arms = {g.name: g for g in robot.arms}
        name = node.parameter(self, "group", next(iter(arms)))
        action = node.parameter(self, "action", "/franka_gripper/gripper_action")
        if name not in arms:
            raise unknown("group", name, arms)
        hand = arms[name].hand
        if hand is None or len(hand.joints) != 1:
            raise VipaError(
                f"gripper: group '{name}' has no hand of one joint; other hands take trajectories themselves"
            )
        self.hand, self.goals = hand, GoalStream(hand.open[0] - hand.closed[0])
        self.client = ActionClient(self, GripperCommand, action)
        Listener(self).on(JointTrajectory, topics.command_topic(hand.controller), self.on_command, newest())
        self.create_timer(PERIOD_S, self.look, clock=node.steady_clock())
        self.get_logger().info(f"gripper ready: {name} to {action}")

    def on_command(self, msg):
        command, joint = convert.trajectory(msg), self.hand.joints[0]
        if joint not in command.joint_names or command.positions.shape != (
            len(command.times),
            len(command.joint_names),
        ):
            raise ValueError(
                f"positions {command.positions.shape} of {', '.join(command.joint_names)}; allowed: of {joint}"
            )
        target, ends = (
            float(command.positions[-1, command.joint_names.index(joint)]),
            (self.hand.closed[0], self.hand.open[0]),
        )
        if not min(ends) - SLACK <= target <= max(ends) + SLACK:  # also what is no number
            raise ValueError(f"{joint} at {target:g}; allowed: {min(ends):g} .. {max(ends):g}")
        self.goals.take(target)

    def look(self):
        if not self.client.server_is_ready() or (target := self.goals.next()) is None:
            return
        goal = GripperCommand.Goal()
        goal.command.position, goal.command.max_effort = float(target), float(self.hand.force)
        self.client.send_goal_async(goal).add_done_callback(self.on_accepted)

    def on_accepted(self, future):
        handle = future.result()
        if handle is None or not handle.accepted:
            self.get_logger().warning("the gripper refused a goal", throttle_duration_sec=1.0)
            self.goals.done()
        else:
            handle.get_result_async().add_done_callback(lambda _: self.goals.done())


def main():
    node.run(GripperNode)


if __name__ == "__main__":
    main()
