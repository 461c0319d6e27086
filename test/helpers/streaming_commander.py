"""A commander for the fault tests: circles of 5 cm around where it began, 0.15 m/s, in chunks that reach 0.15 s ahead.

Started as a process like every node. Parameters: robot; camera (a name: it sends nothing without fresh pictures; empty: it
does not look).
"""

import numpy as np

from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.robot.description import load_robot
from vipa_ros.cameras.reader import CameraReader
from vipa_ros.commanders.commander_node import CommanderNode
from vipa_ros.common import node

RADIUS, SPEED, STEP, STEPS = 0.05, 0.15, 0.05, 4


class Streamer:
    commander_id, wants_cameras, period = "streamer", True, 0.05

    def __init__(self, robot):
        self.arm = robot.arms[0]
        self.seq = 0

    def reset(self, start):
        self.begin = None

    def step(self, seen):
        if self.begin is None:
            self.begin, self.centre = seen.now_ns, seen.groups[self.arm.name].tool_pose
        angles = SPEED / RADIUS * ((seen.now_ns - self.begin) / 1e9 + STEP * np.arange(STEPS))
        poses = np.tile(self.centre, (STEPS, 1))
        poses[:, 1] += RADIUS * np.sin(angles)
        poses[:, 2] += RADIUS * (1 - np.cos(angles))
        self.seq += 1
        action = GroupAction(self.arm.name, self.arm.base_frame, self.arm.tool_frame, poses)
        return ActionChunk(self.commander_id, seen.status.epoch, self.seq, seen.now_ns, seen.now_ns, STEP, (action,))


def make(self):
    robot = load_robot(node.parameter(self, "robot", str))
    camera = node.parameter(self, "camera", "")
    look = CameraReader(self, robot, (camera,), "", simulated=True).observe if camera else None
    return robot, Streamer(robot), look


if __name__ == "__main__":
    node.run(lambda: CommanderNode("streamer", make))
