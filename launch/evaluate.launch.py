"""ros2 launch vipa_ros evaluate.launch.py plan:=examples/plans/water_plant.yaml out:=runs/sets/one — a set of trials over the graph.

As `vipa evaluate PLAN --graph --out DIR`: each trial starts its own graph. A launched process has no terminal; a real cell's set asks
a person, so give it one: terminal:="xterm -e".
"""

from vipa_ros.bringup import launching
from vipa_ros.bringup.launch_arguments import EVALUATE


def generate_launch_description():
    return launching.description(__file__, (), EVALUATE, lambda config, more: launching.evaluate_actions(more))
