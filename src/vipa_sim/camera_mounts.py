"""Where a fixed camera stands in an episode: not quite where the robot file puts it, as after somebody has mounted it anew and aimed
it at the same table."""

from dataclasses import replace

import numpy as np
import pinocchio as pin

from vipa.geometry.rotation import exp, from_rpy, multiply, rotate, to_matrix
from vipa.robot.description import Camera

MAX_SHIFT_M = 0.10  # metres along each axis of the world, at most
AIM_DISTANCE_M = 1.2  # metres in front of the camera of the robot file to the spot that it is aimed at again
MAX_AIM_ERROR_RAD = np.radians(1.0)  # radians beside that spot, across and along the picture, at most
MAX_ROLL_RAD = np.radians(4.0)  # radians about the optical axis, at most


def mounted_anew(camera: Camera, rng: np.random.Generator) -> Camera:
    """`camera` as it stands in one episode, by uniform draws of `rng`: shifted, aimed at the same spot and tilted; it turns by 4 degrees
    in the mean, by 8 at most. A camera on a link stands where it always does."""
    if camera.parent != "world":
        return camera
    shift = rng.uniform(-MAX_SHIFT_M, MAX_SHIFT_M, 3)
    error = rng.uniform(-1.0, 1.0, 3) * [MAX_AIM_ERROR_RAD, MAX_AIM_ERROR_RAD, MAX_ROLL_RAD]
    turn = from_rpy(camera.rpy)
    axis = rotate(turn, [0.0, 0.0, 1.0])
    aimed = multiply(multiply(_between(axis, AIM_DISTANCE_M * axis - shift), turn), exp(error))
    position = [float(p) for p in np.add(camera.position, shift)]
    return replace(camera, position=position, rpy=pin.rpy.matrixToRpy(to_matrix(aimed)).tolist())


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The least rotation, a quaternion (4,), that brings the direction of `a` (3,) to that of `b`; they are less than half a turn apart."""
    across = np.cross(a, b)
    angle = np.arctan2(np.linalg.norm(across), a @ b)
    return exp(across / max(np.linalg.norm(across), 1e-12) * angle)
