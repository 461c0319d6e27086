"""Skill: a head looks at a point."""

import numpy as np

from vipa.commanders.expert.view import View
from vipa.geometry import poses, rotation

STEPS = 12  # of Newton's method; pan and tilt are all but independent


def look_at(view: View, point: np.ndarray) -> np.ndarray:
    """Joints (J,) of the head with which the x axis of its tool frame, along which it looks, points at `point` (3,), base frame, as
    well as its limits allow."""
    head = view.kinematics
    joints = np.clip(view.state.positions, head.lower, head.upper)
    for _ in range(STEPS):
        pose = head.forward(joints)
        ahead = rotation.to_matrix(pose[3:])[:, 0]
        wanted = point - pose[:3]
        wanted = wanted / np.linalg.norm(wanted)
        turn = np.cross(ahead, wanted)  # radians, where they are small
        if np.linalg.norm(turn) < 1e-4:
            break
        jacobian = head.jacobian(joints)[3:]
        step = np.linalg.lstsq(jacobian, turn, rcond=1e-3)[0]
        joints = np.clip(joints + np.clip(step, -0.5, 0.5), head.lower, head.upper)
    return joints


def height_of(view: View, body: str, height: float) -> np.ndarray:
    """Point (3,) `height` metres up the z axis of a body, base frame."""
    return poses.transform(view.body(body), [0.0, 0.0, height])
