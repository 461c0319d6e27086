"""ros2 launch vipa_ros teleop.launch.py task:=water_plant device:=gamepad — a person's session, as `vipa teleop`.

A launched node has no terminal: devices other than `terminal`, whose session's keys are their own buttons or the page.
"""

from dataclasses import replace

from vipa_ros.bringup import launching, teleop_graph
from vipa_ros.bringup.teleop_graph import TeleopConfig


def generate_launch_description():
    def make(config, more):
        cell = config.checked(commander=False)
        session = TeleopConfig(**more).checked(cell)
        if session.policy:
            replace(cell, policy=session.policy).checked()
        return launching.actions([*launching.servo_nodes(cell), *teleop_graph.teleop_graph(cell, session)])

    return launching.description(__file__, teleop_graph.NAMES, teleop_graph.table(), make)
