"""ros2 launch vipa_ros moveit.launch.py task:=water_plant — the cell with MoveIt: a Servo node an arm, move_group, our planner.

Only the motion node commands a controller; a commander (or `vipa_ros.nodes.*`) is started beside it. Never run as a whole: docs/moveit.md.
"""

from launch import LaunchDescription
from launch_ros.actions import Node

from vipa_ros.bringup import EpisodeConfig, cell_graph
from vipa_ros.moveit import graph
from vipa_ros.robot.description import load_robot
from vipa_ros.ros import launching

ARGUMENTS = {
    "task": ("put_three_obj", "name in tasks/ or path of a task file: its scene and fixtures"),
    "robot": ("", "name in config/robots/ or path; empty: the task's"),
    "cell": ("sim", "sim or real"),
    "driver": ("", "make of the robot in a real cell: franka or ur"),
    "seed": ("0", "initial scene"),
    "variant": ("", "appearance; empty: drawn by the seed from the seen ones"),
    "speed": ("1.0", "simulated over wall time at most; Servo keeps wall time, so no more than 1"),
    "move_group": ("true", "true or false: start move_group, for RViz and its services"),
}


def generate_launch_description():
    def make(values):
        seed, speed = int(values.pop("seed")), float(values.pop("speed"))
        move_group = launching.truth("move_group", values.pop("move_group"))
        config = EpisodeConfig(**values, seed=seed, speed=speed).checked(commander=False)
        sim = config.cell == "sim"
        cell = cell_graph(config.task, config.robot, seed, config.variant, speed, config.cell, config.driver)
        ours = graph.with_moveit(cell, config.robot, config.task, sim)
        theirs = graph.moveit_nodes(load_robot(config.robot), move_group, sim)
        return [*launching.actions(ours), *graph.render(theirs, Node)]

    return LaunchDescription([*launching.declare(ARGUMENTS), launching.opaque(ARGUMENTS, make)])
