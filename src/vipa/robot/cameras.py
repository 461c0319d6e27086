"""Where the robot's cameras are: what TF says of their mounting, else the robot file, and forward kinematics of the link that
carries them."""

import numpy as np
import pinocchio as pin

from vipa.errors import VipaError
from vipa.geometry import poses
from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics

MAX_MOUNT_DISTANCE_M = 100.0  # metres from its parent that a frame may be
MAX_CHAIN = 16  # static frames from a camera to the link that carries it: more is a circle


class CameraPoses:
    """Poses of the cameras' optical frames. One thread. Raises VipaError for a parent that is no link."""

    def __init__(self, robot: Robot):
        self.kinematics = Kinematics(robot)
        model = self.kinematics.model
        self._data = model.createData()
        self._static: dict[str, tuple[str, np.ndarray]] = {}  # frame → parent, pose (7,) in it
        self._mounts: dict[str, tuple[int | None, pin.SE3]] = {}
        for camera in robot.cameras:
            if not self._carries(camera.parent):
                raise VipaError(
                    f"{robot.name}: camera {camera.name}: parent '{camera.parent}' is no link of {robot.urdf}"
                )
            mount = pin.SE3(pin.rpy.rpyToMatrix(*camera.rpy), np.array(camera.position))
            self._mounts[camera.name] = (self._frame(camera.parent), mount)

    def hear(self, frame: str, parent: str, pose: np.ndarray) -> None:
        """A static transform of TF: `frame` stands at pose (7,) in `parent`. Counts from now on for every camera whose optical frame
        it ties, perhaps with others, to the world or a link; a camera of which TF says nothing is where the robot file puts it.

        Raises ValueError for a pose that is none.
        """
        known = np.all(np.abs(pose) <= MAX_MOUNT_DISTANCE_M)  # false for NaN
        if not known or abs(np.linalg.norm(pose[3:]) - 1.0) > 1e-3:
            raise ValueError(
                f"transform of {frame} is {pose.tolist()}; allowed: up to {MAX_MOUNT_DISTANCE_M:g} metres and a unit quaternion"
            )
        self._static[frame] = parent, pose
        for camera in self._mounts:
            if found := self._resolved(f"{camera}_color_optical_frame"):
                link, pose = found
                self._mounts[camera] = self._frame(link), pin.XYZQUATToSE3(pose)

    def carried(self, camera: str) -> bool:
        """Whether the robot's joints move `camera`."""
        frame, _ = self._mounts[camera]
        return frame is not None and self.kinematics.model.frames[frame].parentJoint != 0

    def extrinsics(self, camera: str, q: np.ndarray) -> np.ndarray:
        """(4, 4) float64, world ← optical frame, metres, at the groups' joints `q` (n,) in `Kinematics.joint_names` order."""
        frame, mount = self._mounts[camera]
        if frame is None:
            return mount.homogeneous
        model = self.kinematics.model
        pin.forwardKinematics(model, self._data, self.kinematics.configuration(q))
        return (pin.updateFramePlacement(model, self._data, frame) * mount).homogeneous

    def _resolved(self, frame: str) -> tuple[str, np.ndarray] | None:
        """(link or "world", pose (7,) of `frame` in it) by what was heard; None where that does not lead to one."""
        pose = poses.IDENTITY
        for _ in range(MAX_CHAIN):
            if frame not in self._static:
                return None
            frame, step = self._static[frame]
            pose = poses.compose(step, pose)
            if self._carries(frame):
                return frame, pose
        return None

    def _carries(self, parent: str) -> bool:
        return parent == "world" or self.kinematics.model.existFrame(parent, pin.FrameType.BODY)

    def _frame(self, parent: str) -> int | None:
        return None if parent == "world" else self.kinematics.model.getFrameId(parent, pin.FrameType.BODY)
