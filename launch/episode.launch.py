"""ros2 launch vipa_ros episode.launch.py task:=put_three_obj policy:=expert cell:=sim — one scored task episode.

Arguments: those of `vipa episode`, and `out`.
"""

from vipa_ros.bringup import launching
from vipa_ros.preflight.run import gate


def generate_launch_description():
    def make(config, more):
        gate(config.checked())
        return launching.episode_actions(config, more["out"])

    return launching.description(__file__, None, {"out": (str, "runs", "where run folders go")}, make)
