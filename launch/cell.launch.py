"""ros2 launch vipa_ros cell.launch.py task:=put_three_obj — a cell that waits for a commander, as `vipa cell`."""

from vipa_ros.bringup import launching
from vipa_ros.bringup.episode_graph import CELL_ARGUMENTS, standing_graph


def generate_launch_description():
    def make(config, more):
        config = config.checked(commander=False)
        return launching.actions([*launching.servo_nodes(config), *standing_graph(config)])

    return launching.description(__file__, CELL_ARGUMENTS, {}, make)
