"""ros2 launch vipa_ros episode.launch.py task:=put_three_obj policy:=expert cell:=sim — one scored task episode."""

from launch import LaunchDescription

from vipa_ros.bringup import EpisodeConfig
from vipa_ros.ros import launching

ARGUMENTS = {
    "task": ("put_three_obj", "name in tasks/ or path of a task file"),
    "policy": ("expert", "'expert' or a checkpoint folder"),
    "robot": ("", "name in config/robots/ or path; empty: the task's"),
    "cell": ("sim", "sim or real"),
    "driver": ("", "make of the robot in a real cell: franka or ur"),
    "seed": ("0", "initial scene"),
    "variant": ("", "appearance; empty: drawn by the seed from the seen ones"),
    "time_limit": ("0.0", "seconds of ROS time; 0: the task's"),
    "speed": ("1.0", "simulated over wall time at most; 0: as fast as it goes"),
    "runs": ("runs", "where run folders go"),
}


def generate_launch_description():
    def make(values):
        runs = values.pop("runs")
        numbers = {"seed": int(values.pop("seed"))}
        numbers |= {k: float(values.pop(k)) for k in ("time_limit", "speed")}
        return launching.episode_actions(EpisodeConfig(**values, **numbers), runs)

    return LaunchDescription([*launching.declare(ARGUMENTS), launching.opaque(ARGUMENTS, make)])
