"""Which arm moves between a camera and the board, and what was found in the terms of the robot file."""

from dataclasses import dataclass

import numpy as np
import pinocchio as pin
from scipy.spatial.transform import Rotation

from vipa.errors import VipaError, unknown
from vipa.robot.calibrated import Mount
from vipa.robot.cameras import CameraPoses
from vipa.robot.description import Camera, Robot
from vipa.robot.kinematics import Kinematics


@dataclass(frozen=True)
class Mounting:
    """camera: as the robot file has it. arm: name of the group that moves. on_hand: it carries the camera, else it holds the board."""

    camera: Camera
    arm: str
    on_hand: bool


def mounting(robot: Robot, camera: str, arm: str = "") -> Mounting:
    """How `camera` of `robot` is calibrated. arm: which holds the board, "": the first; of a camera on a hand it is the one that carries
    it. Raises VipaError."""
    cameras = {c.name: c for c in robot.cameras}
    if camera not in cameras:
        raise unknown(f"camera of robot {robot.name}", camera, cameras)
    kinematics, found = Kinematics(robot), cameras[camera]
    model = kinematics.model
    carrying = ""
    if found.parent != "world":
        CameraPoses(robot)  # refuses a parent that is no link
        joint = model.frames[model.getFrameId(found.parent, pin.FrameType.BODY)].parentJoint
        carrying = next(
            (g.name for g in robot.arms if model.frames[kinematics.group(g.name).tool].parentJoint == joint), ""
        )
    names = [g.name for g in robot.arms]
    if arm and arm not in names:
        raise unknown(f"arm of robot {robot.name}", arm, names)
    if carrying and arm and arm != carrying:
        raise VipaError(f"camera {camera} is on the hand of '{carrying}'; allowed: {carrying}")
    return Mounting(found, carrying or arm or names[0], bool(carrying))


def nominal(robot: Robot, how: Mounting, q: np.ndarray) -> np.ndarray:
    """(4, 4) tool frame (camera on the hand) or arm's base ← optical frame by the robot file, at the joints `q` (n,)."""
    world = CameraPoses(robot).extrinsics(how.camera.name, q)
    return np.linalg.inv(_carrier(Kinematics(robot), how, q)) @ world


def tool_pose(kinematics: Kinematics, arm: str, q: np.ndarray) -> np.ndarray:
    """(4, 4) base ← tool of `arm` at the joints `q` (n,) of the whole robot."""
    return kinematics.group(arm).placement(q[kinematics.columns[arm]]).homogeneous


def in_robot_file(robot: Robot, how: Mounting, mount: np.ndarray, q: np.ndarray) -> Mount:
    """`mount` (4, 4), as hand_eye.MountResult has it, in the link that the robot file fixes the camera to. q: joints (n,) of one of the
    views: a head that carries the camera stood still."""
    kinematics = Kinematics(robot)
    pose = _carrier(kinematics, how, q) @ mount
    if how.camera.parent != "world":
        model, data = kinematics.model, kinematics.model.createData()
        pin.forwardKinematics(model, data, kinematics.configuration(q))
        link = pin.updateFramePlacement(model, data, model.getFrameId(how.camera.parent, pin.FrameType.BODY))
        pose = link.inverse().homogeneous @ pose
    rpy = Rotation.from_matrix(pose[:3, :3]).as_euler("xyz")
    return Mount(how.camera.parent, [round(float(v), 6) for v in pose[:3, 3]], [round(float(v), 6) for v in rpy])


def _carrier(kinematics: Kinematics, how: Mounting, q: np.ndarray) -> np.ndarray:
    """(4, 4) world ← what the mount is found in."""
    base = kinematics.group(how.arm).base.homogeneous
    return base @ tool_pose(kinematics, how.arm, q) if how.on_hand else base
