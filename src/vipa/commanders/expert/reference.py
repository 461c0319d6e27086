"""The expert's reference motion: from where the tool is sent, smoothly towards a goal that may
move."""

from collections.abc import Sequence
from math import hypot, sqrt

import numpy as np

from vipa.geometry import poses, rotation

SUBSTEP_S = 0.05  # seconds; the profile is integrated this finely between the steps of a chunk


def _approach(
    error: Sequence[float], velocity: Sequence[float], speed: float, acceleration: float, dt: float
) -> list[float]:
    """Velocity (n) after `dt` that leads along `error` (n), trapezoidal: at most `speed`, braking in time to stop there. Plain
    floats: a chunk asks sixty times."""
    distance = hypot(*error)
    rate = min(speed, sqrt(2.0 * 0.8 * acceleration * distance), distance / dt) / distance if distance > 0.0 else 0.0
    change = [rate * e - v for e, v in zip(error, velocity)]
    size = hypot(*change)
    share = acceleration * dt / size if size > acceleration * dt and distance > acceleration * dt * dt else 1.0
    return [v + share * c for v, c in zip(velocity, change)]


def disturbed(pose: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The pose (7,) moved by (4,): metres, and radians about the vertical of its frame."""
    return poses.moved(pose, np.array([*by[:3], 0.0, 0.0, by[3]]))


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
        position, velocity, turn, angular = (
            part.tolist() for part in (self.position, self.velocity, self.turn, self.angular)
        )
        place, turned = goal[:3].tolist(), goal[3:].tolist()
        count = max(1, round(dt / SUBSTEP_S))
        h = dt / count
        planned, after = [], None
        for k in range(steps):
            if k == 1:
                after = tuple(map(np.array, (position, velocity, turn, angular)))
            planned.append((*position, *turn))
            for _ in range(count):
                error = [there - here for there, here in zip(place, position)]
                velocity = _approach(error, velocity, speed, acceleration, h)
                position = [here + v * h for here, v in zip(position, velocity)]
                angular = _approach(rotation.way(turned, turn), angular, angular_speed, angular_acceleration, h)
                turn = rotation.turn(turn, [v * h for v in angular])
        return np.array(planned), after

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
        joints, velocity, there = self.joints.tolist(), self.velocity.tolist(), goal.tolist()
        count = max(1, round(dt / SUBSTEP_S))
        h = dt / count
        planned, after = [], None
        for k in range(steps):
            if k == 1:
                after = np.array(joints), np.array(velocity)
            planned.append(joints)
            for _ in range(count):
                error = [end - here for end, here in zip(there, joints)]
                velocity = _approach(error, velocity, *limits, h)
                joints = [here + v * h for here, v in zip(joints, velocity)]
        return np.array(planned), after

    def advance(self, after) -> None:
        """Goes on to the state `after` of a plan."""
        self.joints, self.velocity = after
