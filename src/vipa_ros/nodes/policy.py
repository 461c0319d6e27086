"""Node `policy`: a VIPA-VLA checkpoint as commander.

Parameters: robot, task (names or paths); checkpoint (folder); precision (fp32|int8); period (seconds of ROS time between
steps, default 0.8).
"""

from rclpy.node import Node

from vipa_ros.policy.commander import PolicyCommander, load_policy
from vipa_ros.robot.description import load_robot
from vipa_ros.ros import node
from vipa_ros.ros.camera_reader import CameraReader
from vipa_ros.ros.commander_node import CommanderNode
from vipa_ros.tasks.task import load_task


def make(self: Node):
    """The policy for the node's robot and task, and how it looks."""
    robot = load_robot(node.parameter(self, "robot", str))
    task = load_task(node.parameter(self, "task", str))
    policy = load_policy(node.parameter(self, "checkpoint", str), node.parameter(self, "precision", "fp32"))
    commander = PolicyCommander(robot, policy, node.parameter(self, "period", 0.8))
    simulated = self.get_parameter("use_sim_time").value
    reader = CameraReader(self, robot, policy.config.cameras, task.instruction, simulated)
    return robot, commander, reader.observe


def main():
    node.run(lambda: CommanderNode("policy", make))


if __name__ == "__main__":
    main()
