"""Where a fixed camera stands in an episode: not quite where the robot file puts it, as after somebody has mounted it anew and aimed
it at the same table."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from vipa.robot.description import Camera

SHIFT = 0.10  # metres along each axis of the world, at most
AIM_DISTANCE = 1.2  # metres in front of the camera of the robot file to the spot that it is aimed at again
AIM = np.radians(1.0)  # radians beside that spot, across and along the picture, at most
ROLL = np.radians(4.0)  # radians about the optical axis, at most


def mounted_anew(camera: Camera, rng: np.random.Generator) -> Camera:
    """`camera` as it stands in one episode, by uniform draws of `rng`: shifted, aimed at the same spot and tilted; it turns by 4 degrees
    in the mean, by 8 at most. A camera on a link stands where it always does."""
    if camera.parent != "world":
        return camera
    shift = rng.uniform(-SHIFT, SHIFT, 3)
    error = rng.uniform(-1.0, 1.0, 3) * [AIM, AIM, ROLL]
    turn = Rotation.from_euler("xyz", camera.rpy)
    axis = turn.apply([0.0, 0.0, 1.0])
    aimed = _between(axis, AIM_DISTANCE * axis - shift) * turn * Rotation.from_rotvec(error)
    position = [float(p) for p in np.add(camera.position, shift)]
    return replace(camera, position=position, rpy=[float(a) for a in aimed.as_euler("xyz")])


def _between(a: np.ndarray, b: np.ndarray) -> Rotation:
    """The least rotation that brings the direction of `a` (3,) to that of `b`; they are less than half a turn apart."""
    across = np.cross(a, b)
    angle = np.arctan2(np.linalg.norm(across), a @ b)
    return Rotation.from_rotvec(across / max(np.linalg.norm(across), 1e-12) * angle)
