"""In whose axes a person means what he says: the arm's base, its tool, or a camera's picture."""

import numpy as np

from vipa.geometry import rotation
from vipa.robot.cameras import CameraPoses
from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics
from vipa.robot.state import GroupState

# Columns: forward, left and up of somebody who looks through the camera, in its optical frame (z forward, x right, y down).
OPTICAL = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


class Frames:
    """Axes for every arm of a robot. One thread."""

    def __init__(self, robot: Robot):
        self.kinematics = Kinematics(robot)
        self.cameras = CameraPoses(robot)

    def axes(self, frame: str, arm: str, groups: dict[str, GroupState]) -> np.ndarray:
        """(3, 3) float64: columns are the person's forward, left and up in the base frame of `arm`.

        frame: "base", "tool", or the name of a camera: what is seen in its picture moves as the device does.
        """
        if frame == "base":
            return np.eye(3)
        if frame == "tool":
            return rotation.to_matrix(groups[arm].tool_pose[3:])
        q = np.concatenate([groups[g.name].positions for g in self.kinematics.robot.groups])
        base = self.kinematics.group(arm).base.rotation
        return base.T @ self.cameras.extrinsics(frame, q)[:3, :3] @ OPTICAL
