"""Where the robot's cameras are: the robot file's mounting and forward kinematics of the link that carries them."""

import numpy as np
import pinocchio as pin
from scipy.spatial.transform import Rotation

from vipa.errors import VipaError
from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics


class CameraPoses:
    """Poses of the cameras' optical frames. One thread. Raises VipaError for a parent that is no link."""

    def __init__(self, robot: Robot):
        self.kinematics = Kinematics(robot)
        model = self.kinematics.model
        self._data = model.createData()
        self._mounts: dict[str, tuple[int | None, pin.SE3]] = {}
        for camera in robot.cameras:
            mount = pin.SE3(Rotation.from_euler("xyz", camera.rpy).as_matrix(), np.array(camera.position))
            frame = None
            if camera.parent != "world":
                if not model.existFrame(camera.parent, pin.FrameType.BODY):
                    raise VipaError(
                        f"{robot.name}: camera {camera.name}: parent '{camera.parent}' is no link of {robot.urdf}"
                    )
                frame = model.getFrameId(camera.parent, pin.FrameType.BODY)
            self._mounts[camera.name] = (frame, mount)

    def extrinsics(self, camera: str, q: np.ndarray) -> np.ndarray:
        """(4, 4) float64, world ← optical frame, metres, at the groups' joints `q` (n,) in `Kinematics.joint_names` order."""
        frame, mount = self._mounts[camera]
        if frame is None:
            return mount.homogeneous
        model = self.kinematics.model
        pin.forwardKinematics(model, self._data, self.kinematics.configuration(q))
        return (pin.updateFramePlacement(model, self._data, frame) * mount).homogeneous
