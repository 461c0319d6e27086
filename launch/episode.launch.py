"""ros2 launch vipa_ros episode.launch.py task:=put_three_obj policy:=expert cell:=sim — one scored task episode.

Arguments: those of `vipa episode`, and `runs`.
"""

from vipa_ros.bringup import launching


def generate_launch_description():
    runs = {"runs": (str, "runs", "where run folders go")}
    return launching.description(
        __file__, None, runs, lambda config, more: launching.episode_actions(config, more["runs"])
    )
