"""The graph with MoveIt in it: our nodes with the MoveIt backend, and MoveIt's own, as lists that a launch file renders."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from vipa_ros.bringup import NodeSpec
from vipa_ros.moveit import parameters
from vipa_ros.moveit.names import servo_node
from vipa_ros.robot.description import Robot


@dataclass(frozen=True)
class ForeignNode:
    """A node of another package. parameters: as launch_ros takes them."""

    package: str
    executable: str
    name: str
    namespace: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


def with_moveit(specs: list[NodeSpec], robot: str, task: str, use_sim_time: bool) -> list[NodeSpec]:
    """`specs` with motion's poses solved by MoveIt's Servo, and one planner, with moveit_py, in a process of its own."""
    planner = NodeSpec("planner", "planner", {"robot": robot, "task": task, "use_sim_time": use_sim_time})
    specs = specs if any(s.executable == "planner" for s in specs) else [*specs, planner]
    theirs = ("motion", "planner")
    return [replace(s, parameters={**s.parameters, "backend": "moveit"}) if s.executable in theirs else s for s in specs]


def moveit_nodes(robot: Robot, move_group: bool, use_sim_time: bool) -> list[ForeignNode]:
    """A Servo node an arm, in a namespace of its own, and perhaps move_group, which then keeps the planning scene.

    Exactly one of them is the primary planning scene monitor. Servo knows the robot, not the task's fixtures: it can not be told
    which of them a sub-task may touch, and what it halts for it does not leave again; motion's gate keeps clear of them.
    Raises VipaError if the robot's files in config/moveit are not there.
    """
    clock = {"use_sim_time": use_sim_time}
    nodes = []
    if move_group:
        nodes.append(ForeignNode("moveit_ros_move_group", "move_group", "move_group",
                                 parameters=parameters.move_group(robot) | clock))
    for group in robot.arms:
        namespace, name = servo_node(group.name).rsplit("/", 1)
        servo = parameters.servo(robot, group.name, primary=False if move_group else None)
        nodes.append(ForeignNode("moveit_servo", "servo_node", name, namespace, servo | clock))
    return nodes


def render(nodes: list[ForeignNode], make: Callable[..., Any]) -> list:
    """Every node by `make`, launch_ros.actions.Node or what takes its arguments."""
    return [make(package=n.package, executable=n.executable, name=n.name, namespace=n.namespace, parameters=[n.parameters],
                 output="screen") for n in nodes]
