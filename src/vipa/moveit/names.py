"""What MoveIt's nodes, topics and files are called here. Imports nothing that MoveIt's own process may not load."""

from pathlib import Path

from vipa import resources
from vipa.robot.description import Group, Robot

WORLD = "world"
ALL_ARMS = "arms"  # the group of both arms of a dual-arm robot
SERVO_JOINT_STATES = "/vipa/servo_joint_states"  # joint states as motion hands them on to Servo


def hand_group(group: Group) -> str:
    """The name of the group of an arm's hand."""
    return f"{group.name}_hand"


def servo_node(group: str) -> str:
    """The full name of an arm's Servo node; its topics and services are below it."""
    return f"/vipa/{group}/servo"


def servo_output(group: str) -> str:
    """Where an arm's Servo node publishes instead of to a controller."""
    return f"/vipa/{group}/servo_out"


def folder(robot: Robot) -> Path:
    """Where the files of `robot` are."""
    return resources.root() / "config" / "moveit" / robot.name


def srdf_name(robot: Robot) -> str:
    """The name of the robot's SRDF file."""
    return f"{robot.name}.srdf"
