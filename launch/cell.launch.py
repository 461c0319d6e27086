"""ros2 launch vipa_ros cell.launch.py task:=put_three_obj — a cell that waits for a commander, as `vipa cell`."""

from vipa_ros.bringup import launching
from vipa_ros.bringup.episode_graph import CELL_ARGUMENTS, standing_graph

NAMES = [name for name in CELL_ARGUMENTS if name != "motion_backend"]  # moveit.launch.py


def generate_launch_description():
    def make(config, more):
        return launching.actions(standing_graph(config.checked(commander=False)))

    return launching.description(__file__, NAMES, {}, make)
