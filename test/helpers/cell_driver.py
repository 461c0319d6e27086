"""Drives a SimCell the way a motion node does, straight from inverse kinematics: for tests of the cell itself."""

import numpy as np

from vipa.robot.state import JointTrajectory
from vipa_sim.placement_ik import Reach


class Driver:
    """Moves the tool along straight lines and the hand to openings, and steps the cell meanwhile."""

    def __init__(self, cell):
        self.cell, self.group = cell, cell.robot.arms[0]
        self.reach = Reach(cell.model, self.group)
        self.joints = np.array(self.group.home)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / self.cell.dt)):
            self.cell.step()

    def move(self, position, rotation, seconds: float = 1.0, points: int = 10) -> None:
        """Straight line of the tool to position (3,) with rotation (3, 3); asserts that it is within reach."""
        now = self.cell.link_poses()[self.group.tool_frame][:3]
        path = []
        for u in np.linspace(0, 1, points + 1)[1:]:
            joints = self.reach.solve(now + (np.asarray(position) - now) * u, rotation, self.joints)
            assert joints is not None, f"out of reach: {position}"
            self.joints = joints
            path.append(joints)
        self.send(self.group.controller, self.group.joints, path, seconds)
        self.run(seconds + 0.1)

    def grip(self, metres: float, seconds: float = 0.6) -> None:
        """Finger joints to `metres`."""
        self.send(self.group.hand.controller, self.group.hand.joints, [[metres]], seconds / 2)
        self.run(seconds)

    def send(self, controller, names, path, seconds) -> None:
        path = np.array(path)
        times = np.linspace(0, seconds, len(path) + 1)[1:]
        velocities = np.gradient(path, times, axis=0) if len(path) > 1 else np.zeros_like(path)
        velocities[-1] = 0
        assert self.cell.command(controller, JointTrajectory(tuple(names), times, path, velocities)) == ""
