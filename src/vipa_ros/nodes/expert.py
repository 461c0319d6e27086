"""Node `expert`: the scripted commander, from the simulated cell's ground truth.

Parameters: robot, task (names or paths); noise (metres, of disturbances that are added; default none), seed (of theirs).
"""

from vipa.commanders.expert.commander import Expert
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_ros.commanders.commander_node import CommanderNode
from vipa_ros.common import node


def make(self):
    """The expert for the node's robot and task."""
    robot = load_robot(node.parameter(self, "robot", str))
    task = load_task(node.parameter(self, "task", str))
    return robot, Expert(robot, task, node.parameter(self, "seed", 0), node.parameter(self, "noise", 0.0)), None


def main():
    node.run(lambda: CommanderNode("expert", make))


if __name__ == "__main__":
    main()
