"""The expert's reference motion: from where the tool is sent, smoothly towards a goal that may
move."""

from math import sqrt

import numpy as np

from vipa.geometry import rotation

SUBSTEP_S = 0.05  # seconds; the profile is integrated this finely between the steps of a chunk


def _approach(error: np.ndarray, velocity: np.ndarray, speed: float, acceleration: float, dt: float) -> np.ndarray:
    """Velocity (n,) after `dt` that leads along `error` (n,), trapezoidal: at most `speed`, braking in time to stop
    there."""
    distance = sqrt(error @ error)
    if distance > 0.0:
        wanted = error * (min(speed, sqrt(2.0 * 0.8 * acceleration * distance), distance / dt) / distance)
    else:
        wanted = np.zeros_like(error)
    change = wanted - velocity
    size = sqrt(change @ change)
    if size > acceleration * dt and distance > acceleration * dt * dt:
        change *= acceleration * dt / size
    return velocity + change


def disturbed(pose: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The pose (7,) moved by (4,): metres, and radians about the vertical of its frame."""
    turn = rotation.multiply(rotation.exp(np.array([0.0, 0.0, by[3]])), pose[3:])
    return np.concatenate([pose[:3] + by[:3], rotation.normalised(turn)])


class PoseReference:
    """A tool pose that moves: position with trapezoidal speed along the way, orientation likewise about its axis."""

    def __init__(self, pose: np.ndarray, velocity: np.ndarray = (0.0, 0.0, 0.0)):
        """At `pose` (7,) xyz + xyzw, with the linear `velocity` (3,) m/s."""
        self.position, self.turn = np.array(pose[:3], float), np.array(pose[3:], float)
        self.velocity, self.angular = np.array(velocity, float), np.zeros(3)

    @property
    def pose(self) -> np.ndarray:
        """(7,) now."""
        return np.concatenate([self.position, self.turn])

    def plan(self, goal: np.ndarray, limits: tuple[float, float, float, float], steps: int, dt: float):
        """Poses (steps, 7), the first being where it stands, `dt` seconds apart, towards `goal` (7,), and the state
        after one step, to be handed to `advance`. limits: speed m/s, acceleration m/s², angular speed rad/s and
        acceleration rad/s².
        """
        speed, acceleration, angular_speed, angular_acceleration = limits
        position, velocity, turn, angular = self.position, self.velocity, self.turn, self.angular
        count = max(1, round(dt / SUBSTEP_S))
        h = dt / count
        poses, after = np.empty((steps, 7)), None
        for k in range(steps):
            if k == 1:
                after = (position, velocity, turn, angular)
            poses[k, :3], poses[k, 3:] = position, turn
            for _ in range(count):
                velocity = _approach(goal[:3] - position, velocity, speed, acceleration, h)
                position = position + velocity * h
                error = rotation.difference(goal[3:], turn)
                angular = _approach(error, angular, angular_speed, angular_acceleration, h)
                turn = rotation.normalised(rotation.multiply(rotation.exp(angular * h), turn))
        return poses, after

    def advance(self, after) -> None:
        """Goes on to the state `after` of a plan."""
        self.position, self.velocity, self.turn, self.angular = after

    def displace(self, by: np.ndarray) -> None:
        """It stands elsewhere, as fast as before; by: (4,) as in `disturbed`."""
        pose = disturbed(self.pose, by)
        self.position, self.turn = pose[:3], pose[3:]


class JointReference:
    """Joints that move together along a straight line, with trapezoidal speed."""

    def __init__(self, joints: np.ndarray, velocity: np.ndarray):
        """At `joints` (J,) radians with `velocity` (J,) rad/s."""
        self.joints, self.velocity = np.array(joints, float), np.array(velocity, float)

    def plan(self, goal: np.ndarray, limits: tuple[float, float], steps: int, dt: float):
        """Joints (steps, J), the first being where it stands, `dt` seconds apart, towards `goal` (J,), and the state after one
        step, to be handed to `advance`. limits: speed rad/s, acceleration rad/s²."""
        joints, velocity = self.joints, self.velocity
        count = max(1, round(dt / SUBSTEP_S))
        path, after = np.empty((steps, len(joints))), None
        for k in range(steps):
            if k == 1:
                after = (joints, velocity)
            path[k] = joints
            for _ in range(count):
                velocity = _approach(goal - joints, velocity, *limits, dt / count)
                joints = joints + velocity * (dt / count)
        return path, after

    def advance(self, after) -> None:
        """Goes on to the state `after` of a plan."""
        self.joints, self.velocity = after
