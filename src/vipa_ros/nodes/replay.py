"""Node `replay`: a recorded episode as commander.

Parameters: robot, task (names or paths); run (run folder).
"""

from pathlib import Path

from vipa.commanders.replay.commander import Replay
from vipa.commanders.replay.recorded import read_recorded
from vipa.robot.description import load_robot
from vipa_ros.commanders.commander_node import CommanderNode
from vipa_ros.common import node


def make(self):
    """The recording, for the node's robot."""
    robot = load_robot(node.parameter(self, "robot", str))
    node.parameter(self, "task", "")
    return robot, Replay(robot, read_recorded(Path(node.parameter(self, "run", str)), robot)), None


def main():
    node.run(lambda: CommanderNode("replay", make))


if __name__ == "__main__":
    main()
