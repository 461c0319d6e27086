"""ros2 launch vipa_ros cell.launch.py task:=put_three_obj — the cell and the motion node, waiting for a commander."""

from launch import LaunchDescription

from vipa_ros.bringup import EpisodeConfig, cell_graph
from vipa_ros.ros import launching

ARGUMENTS = {
    "task": ("put_three_obj", "name in tasks/ or path of a task file: its scene and fixtures"),
    "robot": ("", "name in config/robots/ or path; empty: the task's"),
    "cell": ("sim", "sim or real"),
    "driver": ("", "make of the robot in a real cell: franka or ur"),
    "seed": ("0", "initial scene"),
    "variant": ("", "appearance; empty: drawn by the seed from the seen ones"),
    "speed": ("1.0", "simulated over wall time at most; 0: as fast as it goes"),
}


def generate_launch_description():
    def make(values):
        seed, speed = int(values.pop("seed")), float(values.pop("speed"))
        config = EpisodeConfig(**values, seed=seed, speed=speed).checked(commander=False)
        graph = cell_graph(config.task, config.robot, seed, config.variant, speed, config.cell, config.driver)
        return launching.actions(graph)

    return LaunchDescription([*launching.declare(ARGUMENTS), launching.opaque(ARGUMENTS, make)])
