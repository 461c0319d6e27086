"""A trajectory controller with the behaviour of ros2_controllers' JointTrajectoryController."""

from collections.abc import Sequence

import numpy as np

from vipa.robot.state import JointTrajectory

# JTC's own tolerance for "ends at rest": the epsilon of a 32-bit float
END_VELOCITY = float(np.finfo(np.float32).eps)


class TrajectoryController:
    """Turns trajectories into desired joint positions and velocities over time.

    As JTC does: a new trajectory replaces the old one at once. Its times count from its `start_ns`, or from its arrival where
    that is 0. If its first point is still to come it starts from the *desired* state of that moment (JTC:
    `interpolate_from_desired_state: true`), or from the measured one where it is given (JTC's default); between points it is a
    cubic Hermite where velocities are given, else a line; at the last point it holds. A rejected trajectory changes nothing.

    cycle: seconds between two commands of the controller. In every cycle JTC commands what is desired at the next, and takes that
    for the desired state *of this* cycle when a trajectory comes (ros2_controllers 4.42.1): what it commands leaps by up to two
    cycles' way in one. 0: without that.
    """

    def __init__(self, name: str, joint_names: Sequence[str], cycle: float = 0.0):
        self.name, self.cycle = name, cycle
        self.joint_names = tuple(joint_names)
        self.reset(np.zeros(len(self.joint_names)))

    def reset(self, positions: np.ndarray) -> None:
        """Hold `positions` (J,) at rest and forget any trajectory."""
        self._times = np.array([-np.inf])  # absolute seconds at which each segment begins; the last one holds
        self._since = np.zeros(1)  # where its own time counts from
        hold = np.zeros((4, 1, len(self.joint_names)))
        hold[0] = positions
        self._polynomial = hold  # (4, segments, J): its coefficients, lowest order first

    def accept(
        self, trajectory: JointTrajectory, now: float, measured: tuple[np.ndarray, np.ndarray] | None = None
    ) -> str:
        """Follow `trajectory` from `now` (seconds, ROS time where it has a `start_ns`) on. Returns '' or why it is rejected.

        measured: positions and velocities (J,) that it starts from; None: from the desired ones.
        """
        times = np.asarray(trajectory.times, dtype=float)
        points = np.asarray(trajectory.positions, dtype=float)
        velocities = np.asarray(trajectory.velocities, dtype=float)
        start = trajectory.start_ns / 1e9 if trajectory.start_ns else now
        reason = self._reason_against(tuple(trajectory.joint_names), times, points, velocities)
        if not reason and start + times[-1] < now:
            reason = f"ended {now - start - times[-1]:.3f} s ago"
        if reason:
            return f"{self.name}: {reason}"
        cubic = velocities.size > 0
        velocities = velocities if cubic else np.zeros_like(points)
        if tuple(trajectory.joint_names) != self.joint_names:
            order = [trajectory.joint_names.index(joint) for joint in self.joint_names]
            points, velocities = points[:, order], velocities[:, order]
        if start + times[0] > now:
            position, velocity = measured if measured is not None else self.sample(np.array([now]))
            times = _after(now - start - (self.cycle if measured is None else 0.0), times)
            points, velocities = _after(position, points), _after(velocity, velocities)
        self._times = self._since = times + start
        self._polynomial = _segments(times, points, velocities, cubic)
        return ""

    def sample(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Desired positions and velocities, each (S, J), at the absolute `times` (S,) seconds."""
        segment = np.maximum(self._times.searchsorted(times, side="right") - 1, 0)
        t = np.maximum(times - self._since[segment], 0.0)[:, None]
        constant, linear, square, cube = self._polynomial.take(segment, axis=1)
        return constant + t * (linear + t * (square + t * cube)), linear + t * (2 * square + t * 3 * cube)

    def _reason_against(self, joints: tuple, times: np.ndarray, points: np.ndarray, velocities: np.ndarray) -> str:
        if joints != self.joint_names and (why := self._wrong_names(joints)):
            return why
        if times.size == 0:
            return "empty trajectory"
        want = (times.size, len(joints))
        if times.ndim != 1 or points.shape != want:
            return f"positions have shape {points.shape}, want {want}"
        if velocities.size and velocities.shape != want:
            return f"velocities have shape {velocities.shape}, want {want} or none"
        if not (np.isfinite(times).all() and np.isfinite(points).all() and np.isfinite(velocities).all()):
            return "a value is not finite"
        if times[0] < 0 or (times[1:] <= times[:-1]).any():
            return "times must be >= 0 and strictly increasing"
        if velocities.size and np.abs(velocities[-1]).max() > END_VELOCITY:
            return "velocity at the last point is not zero"
        return ""

    def _wrong_names(self, joints: tuple) -> str:
        unknown = [j for j in joints if j not in self.joint_names]
        if unknown:
            return f"unknown joint(s) {', '.join(unknown)}; allowed: {', '.join(self.joint_names)}"
        missing = [j for j in self.joint_names if j not in joints]
        if missing:
            return f"joint(s) {', '.join(missing)} missing"
        return "a joint is named twice" if len(set(joints)) != len(joints) else ""


def _after(first, rows: np.ndarray) -> np.ndarray:
    """`first` and then the rows (T, ...): (T + 1, ...)."""
    out = np.empty((len(rows) + 1, *rows.shape[1:]))
    out[0], out[1:] = first, rows
    return out


def _segments(times: np.ndarray, points: np.ndarray, velocities: np.ndarray, cubic: bool) -> np.ndarray:
    """Coefficients (4, T, J), lowest order first, of the way from each point to the next; at the last it holds."""
    out = np.zeros((4, *points.shape))
    out[0] = points
    span, step = (times[1:] - times[:-1])[:, None], points[1:] - points[:-1]
    if not cubic:
        out[1, :-1] = step / span
        return out
    v0, v1, slope = velocities[:-1], velocities[1:], step / span
    out[1, :-1] = v0
    out[2, :-1] = (3 * slope - 2 * v0 - v1) / span
    out[3, :-1] = (v0 + v1 - 2 * slope) / span**2
    return out
