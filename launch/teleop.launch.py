"""ros2 launch vipa_ros teleop.launch.py task:=water_plant device:=gamepad — a person's session, as `vipa teleop`.

A launched node has no terminal: devices other than `terminal`, whose session's keys are their own buttons or the page.
"""

from dataclasses import replace

from vipa_ros.bringup import launching, teleop_graph
from vipa_ros.bringup.teleop_graph import TeleopConfig

NAMES = [name for name in teleop_graph.NAMES if name != "motion_backend"]  # moveit.launch.py


def generate_launch_description():
    def make(config, more):
        cell = config.checked(commander=False)
        session = TeleopConfig(**more).checked(cell)
        if session.policy:
            replace(cell, policy=session.policy).checked()
        return launching.actions(teleop_graph.teleop_graph(cell, session))

    return launching.description(__file__, NAMES, teleop_graph.table(), make)
