"""A trajectory controller with the behaviour of ros2_controllers' JointTrajectoryController."""

from collections.abc import Sequence

import numpy as np

from vipa_ros.robot.state import JointTrajectory

# JTC's own tolerance for "ends at rest": the epsilon of a 32-bit float
END_VELOCITY = float(np.finfo(np.float32).eps)


class TrajectoryController:
    """Turns trajectories into desired joint positions and velocities over time.

    As JTC does with `header.stamp = 0` and default parameters: a new trajectory replaces the old one at once, its times
    count from its arrival and it starts from the *desired* state of that moment; between points it is a cubic Hermite
    where velocities are given, else a line; at the last point it holds. A rejected trajectory changes nothing.
    """

    def __init__(self, name: str, joint_names: Sequence[str]):
        self.name = name
        self.joint_names = tuple(joint_names)
        self.reset(np.zeros(len(self.joint_names)))

    def reset(self, positions: np.ndarray) -> None:
        """Hold `positions` (J,) at rest and forget any trajectory."""
        self._times = np.array([-np.inf])  # absolute seconds; past the last point it is held
        self._points = np.asarray(positions, dtype=float)[None, :].copy()
        self._velocities = np.zeros_like(self._points)
        self._cubic = False

    def accept(self, trajectory: JointTrajectory, now: float) -> str:
        """Follow `trajectory` from `now` (seconds) on. Returns '' or why it is rejected."""
        reason = self._reason_against(trajectory)
        if reason:
            return f"{self.name}: {reason}"
        order = [trajectory.joint_names.index(joint) for joint in self.joint_names]
        times = np.asarray(trajectory.times, dtype=float)
        points = np.asarray(trajectory.positions, dtype=float)[:, order]
        cubic = np.size(trajectory.velocities) > 0
        velocities = np.asarray(trajectory.velocities, dtype=float)[:, order] if cubic else np.zeros_like(points)
        if times[0] > 0:
            position, velocity = self.sample(np.array([now]))
            times = np.concatenate([[0.0], times])
            points = np.concatenate([position, points])
            velocities = np.concatenate([velocity, velocities])
        self._times, self._points, self._velocities, self._cubic = times + now, points, velocities, cubic
        return ""

    def sample(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Desired positions and velocities, each (S, J), at the absolute `times` (S,) seconds."""
        times = np.asarray(times, dtype=float)
        last = len(self._times) - 1
        positions = np.tile(self._points[-1], (len(times), 1))
        velocities = np.zeros_like(positions)
        moving = times < self._times[-1]
        if not moving.any():
            return positions, velocities
        after = np.clip(np.searchsorted(self._times, times[moving], side="right"), 1, last)
        before = after - 1
        span = (self._times[after] - self._times[before])[:, None]
        u = np.clip((times[moving] - self._times[before])[:, None] / span, 0.0, 1.0)
        start, step = self._points[before], self._points[after] - self._points[before]
        if self._cubic:
            v0, v1 = self._velocities[before] * span, self._velocities[after] * span
            square, cube = 3 * step - 2 * v0 - v1, v0 + v1 - 2 * step
            positions[moving] = start + u * (v0 + u * (square + u * cube))
            velocities[moving] = (v0 + u * (2 * square + u * 3 * cube)) / span
        else:
            positions[moving] = start + u * step
            velocities[moving] = step / span
        return positions, velocities

    def _reason_against(self, trajectory: JointTrajectory) -> str:
        joints = tuple(trajectory.joint_names)
        unknown = [j for j in joints if j not in self.joint_names]
        if unknown:
            return f"unknown joint(s) {', '.join(unknown)}; allowed: {', '.join(self.joint_names)}"
        missing = [j for j in self.joint_names if j not in joints]
        if missing:
            return f"joint(s) {', '.join(missing)} missing"
        if len(set(joints)) != len(joints):
            return "a joint is named twice"
        times = np.asarray(trajectory.times, dtype=float)
        points = np.asarray(trajectory.positions, dtype=float)
        velocities = np.asarray(trajectory.velocities, dtype=float)
        if times.size == 0:
            return "empty trajectory"
        want = (times.size, len(joints))
        if times.ndim != 1 or points.shape != want:
            return f"positions have shape {points.shape}, want {want}"
        if velocities.size and velocities.shape != want:
            return f"velocities have shape {velocities.shape}, want {want} or none"
        if not (np.isfinite(times).all() and np.isfinite(points).all() and np.isfinite(velocities).all()):
            return "a value is not finite"
        if times[0] < 0 or np.any(np.diff(times) <= 0):
            return "times must be >= 0 and strictly increasing"
        if velocities.size and np.any(np.abs(velocities[-1]) > END_VELOCITY):
            return "velocity at the last point is not zero"
        return ""
