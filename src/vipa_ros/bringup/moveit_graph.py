"""The graph with MoveIt in it: our nodes with the MoveIt backend, and MoveIt's own."""

from dataclasses import replace

from vipa.errors import VipaError
from vipa.moveit import files, names, parameters
from vipa.robot.description import Robot
from vipa_ros.bringup.process import ProcessSpec, program


def solved_by(backend: str, specs: list[ProcessSpec], *executables: str) -> list[ProcessSpec]:
    """`specs` in which the nodes `executables` have the motion backend `backend`."""
    return [
        replace(s, parameters={**s.parameters, "motion_backend": backend}) if s.executable in executables else s
        for s in specs
    ]


def with_moveit(specs: list[ProcessSpec], robot: str, task: str, use_sim_time: bool) -> list[ProcessSpec]:
    """`specs` with motion's poses solved by MoveIt's Servo, and one planner, with moveit_py, in a process of its own."""
    planner = ProcessSpec("planner", "planner", {"robot": robot, "task": task, "use_sim_time": use_sim_time})
    specs = specs if any(s.executable == "planner" for s in specs) else [*specs, planner]
    return solved_by("moveit", specs, "motion", "planner")


def moveit_nodes(robot: Robot, move_group: bool, use_sim_time: bool) -> list[ProcessSpec]:
    """A Servo node an arm, in a namespace of its own, and perhaps move_group.

    Each keeps a planning scene of its own. Servo knows the robot, not the task's fixtures: it can not be told which of them a
    sub-task may touch, and what it halts for it does not leave again; motion's gate keeps clear of them.
    Raises VipaError if the robot's files in config/moveit are not there.
    """
    clock = {"use_sim_time": use_sim_time}
    nodes = []
    if move_group:
        nodes.append(
            ProcessSpec(
                "move_group", "move_group", parameters.move_group(robot) | clock, "moveit_ros_move_group", respawn=True
            )
        )
    for group in robot.arms:
        namespace, name = names.servo_node(group.name).rsplit("/", 1)
        nodes.append(
            ProcessSpec(
                name, "servo_node", parameters.servo(robot, group.name) | clock, "moveit_servo", namespace, respawn=True
            )
        )
    return nodes


def servo_nodes(robot: Robot, use_sim_time: bool) -> list[ProcessSpec]:
    """A Servo node an arm. Raises VipaError where MoveIt Servo is not installed, or the robot's files in config/moveit are missing or
    not what its robot file gives."""
    nodes = moveit_nodes(robot, False, use_sim_time)
    for node in nodes:
        program(node)
    if changed := files.differences(robot, names.folder(robot)):
        raise VipaError(
            f"{names.folder(robot)}: {', '.join(changed)}: not what the robot file gives; `vipa robot moveit {robot.name}` writes them"
        )
    return nodes
