"""The graph with MoveIt in it: our nodes with the MoveIt backend, and MoveIt's own, as lists that a launch file renders."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vipa import files
from vipa.errors import VipaError
from vipa.moveit import parameters
from vipa.moveit.names import servo_node
from vipa.robot.description import Robot
from vipa_ros.bringup import environment
from vipa_ros.bringup.episode_graph import NodeSpec, solved_by
from vipa_ros.common import lifeline

RESPAWN = 2.0  # wall seconds after which a node of MoveIt's that has ended is started again


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
    return solved_by("moveit", specs, "motion", "planner")


def moveit_nodes(robot: Robot, move_group: bool, use_sim_time: bool) -> list[ForeignNode]:
    """A Servo node an arm, in a namespace of its own, and perhaps move_group.

    Each keeps a planning scene of its own. Servo knows the robot, not the task's fixtures: it can not be told which of them a
    sub-task may touch, and what it halts for it does not leave again; motion's gate keeps clear of them.
    Raises VipaError if the robot's files in config/moveit are not there.
    """
    clock = {"use_sim_time": use_sim_time}
    nodes = []
    if move_group:
        nodes.append(
            ForeignNode(
                "moveit_ros_move_group", "move_group", "move_group", parameters=parameters.move_group(robot) | clock
            )
        )
    for group in robot.arms:
        namespace, name = servo_node(group.name).rsplit("/", 1)
        nodes.append(
            ForeignNode("moveit_servo", "servo_node", name, namespace, parameters.servo(robot, group.name) | clock)
        )
    return nodes


def render(nodes: list[ForeignNode], make: Callable[..., Any]) -> list:
    """Every node by `make`, launch_ros.actions.Node or what takes its arguments. They end with the launch. Raises VipaError where one
    is not installed, before anything is started."""
    for node in nodes:
        executable(node)
    tied = " ".join(lifeline.tied([]))
    return [
        make(
            package=n.package,
            executable=n.executable,
            name=n.name,
            namespace=n.namespace,
            parameters=[n.parameters],
            exec_name=n.name,
            prefix=tied,
            additional_env={**environment.dds_additions(), **lifeline.environment()},
            output="screen",
            respawn=True,
            respawn_delay=RESPAWN,
        )
        for n in nodes
    ]


def executable(node: ForeignNode) -> Path:
    """The program of `node` under AMENT_PREFIX_PATH. Raises VipaError if its package is not installed."""
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    for prefix in prefixes:
        if (path := prefix / "lib" / node.package / node.executable).is_file():
            return path
    where = ", ".join(map(str, prefixes)) or "an empty AMENT_PREFIX_PATH"
    raise VipaError(
        f"MoveIt is not there: no lib/{node.package}/{node.executable} in {where}; allowed here: motion backend embedded"
    )


def commands(nodes: list[ForeignNode], folder: Path) -> dict[str, list[str]]:
    """Label → command line that starts each of `nodes`; their parameters are written to files in `folder`. Raises VipaError."""
    lines = {}
    folder.mkdir(parents=True, exist_ok=True)
    for node in nodes:
        label = "_".join([*node.namespace.strip("/").split("/"), node.name])
        path = folder / f"{label}.yaml"
        files.write_yaml(path, {"/**": {"ros__parameters": node.parameters}})
        lines[label] = [
            str(executable(node)),
            "--ros-args",
            "-r",
            f"__node:={node.name}",
            "-r",
            f"__ns:={node.namespace or '/'}",
            "--params-file",
            str(path.resolve()),
        ]
    return lines
