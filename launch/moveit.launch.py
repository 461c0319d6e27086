"""ros2 launch vipa_ros moveit.launch.py task:=water_plant — the cell with MoveIt: a Servo node an arm, move_group, our planner.

Only the motion node commands a controller; a commander (or `vipa_ros.nodes.*`) is started beside it. docs/moveit.md.
"""

from dataclasses import replace

from vipa.robot.description import load_robot
from vipa_ros.bringup import launching, moveit_graph
from vipa_ros.bringup.episode_graph import CELL_ARGUMENTS, standing_graph

NAMES = [name for name in CELL_ARGUMENTS if name != "motion_backend"]


def generate_launch_description():
    def make(config, more):
        config = replace(config, motion_backend="moveit").checked(commander=False)
        sim = config.cell == "sim"
        ours = moveit_graph.with_moveit(standing_graph(config), config.robot, config.task, sim)
        theirs = moveit_graph.moveit_nodes(load_robot(config.robot), more["move_group"], sim)
        return launching.actions([*theirs, *ours])

    more = {"move_group": (bool, True, "true or false: start move_group, for RViz and its services")}
    return launching.description(__file__, NAMES, more, make)
