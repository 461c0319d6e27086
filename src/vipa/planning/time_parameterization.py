"""Time along a joint path: as fast as velocity, acceleration and jerk limits and the tool's speed allow."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline

from vipa.robot.kinematics import GroupKinematics

STEP_S = 0.01  # seconds between the samples of the result
SMOOTHING_S = 0.06  # seconds over which the pace along the path is averaged, twice: what bounds the jerk


@dataclass(frozen=True)
class TimedPath:
    """times (T,) seconds from 0, STEP_S apart; positions, velocities (T, J) rad, rad/s. At rest at both ends."""

    times: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray

    @property
    def duration(self) -> float:
        return float(self.times[-1])

    def steps(self, dt: float) -> np.ndarray:
        """Joints (T, J) every `dt` seconds from `dt` on, the last at the end: the steps of a chunk."""
        times = dt * np.arange(1, max(1, int(np.ceil(self.duration / dt - 1e-9))) + 1)
        return np.stack([np.interp(times, self.times, column) for column in self.positions.T], axis=1)


def smooth_curve(waypoints: np.ndarray, spacing: float) -> BSpline:
    """A C2 curve along the straight lines between `waypoints` (P, J): a clamped uniform cubic B-spline whose control points lie
    on them at most `spacing` radians apart. It leaves the lines only near corners, by less than `spacing`; parameter 0..1."""
    points = [waypoints[0]]
    for a, b in zip(waypoints[:-1], waypoints[1:]):
        count = max(3, int(np.ceil(np.linalg.norm(b - a) / spacing)))
        points.extend(a + (b - a) * k / count for k in range(1, count + 1))
    inner = np.linspace(0, 1, len(points) - 2)
    return BSpline(np.concatenate([[0] * 3, inner, [1] * 3]), np.array(points), 3)


def time_path(curve: BSpline, group: GroupKinematics, share: float = 0.6) -> TimedPath:
    """The timing of `curve` (parameter 0..1) within `share` of the group's limits."""
    spec = group.spec
    velocity, acceleration = share * np.asarray(spec.max_velocity), 0.6 * share * np.asarray(spec.max_acceleration)
    u = np.linspace(0, 1, max(200, 12 * len(curve.c)))
    first, second = curve.derivative(1)(u), curve.derivative(2)(u)
    ceiling = _ceiling(curve, first, second, velocity, acceleration, group, share, u)
    pace = _passes(u, first, second, ceiling, acceleration)
    times = np.concatenate(
        [[0.0], np.cumsum(2 * np.diff(u) / np.maximum(np.sqrt(pace[:-1]) + np.sqrt(pace[1:]), 1e-9))]
    )
    return _sample(curve, u, times, spec, share)


def _ceiling(curve, first, second, velocity, acceleration, group: GroupKinematics, share: float, u) -> np.ndarray:
    """Largest squared pace (du/dt)² at every u that velocities, the tool's speed and the curve's bends allow."""
    way = curve(u)
    low, high = group.ends.at(way)
    with np.errstate(divide="ignore"):
        near = share * np.maximum(np.where(first > 0, high, -low), 1e-6)
        pace = np.min(np.minimum(velocity, near) / np.abs(first), axis=1) ** 2
        pace = np.minimum(pace, np.min(acceleration / np.abs(second), axis=1))
    spec = group.spec
    if spec.kind == "arm":
        for i, (q, slope) in enumerate(zip(way, first)):
            twist = group.jacobian(q) @ slope
            pace[i] = min(
                pace[i],
                (share * spec.tool_speed / max(float(np.linalg.norm(twist[:3])), 1e-9)) ** 2,
                (share * spec.tool_angular_speed / max(float(np.linalg.norm(twist[3:])), 1e-9)) ** 2,
            )
    pace[0] = pace[-1] = 0.0
    return pace


def _passes(u, first, second, ceiling, acceleration) -> np.ndarray:
    """The squared pace after a pass forwards and one backwards, in each of which no joint accelerates beyond its limit."""
    pace = ceiling.copy()
    for order in (range(len(u) - 1), range(len(u) - 1, 0, -1)):
        step = 1 if order.step > 0 else -1
        for i in order:
            bend = np.abs(second[i]) * pace[i]
            with np.errstate(divide="ignore"):
                gain = np.min(np.maximum(acceleration - bend, 0.05 * acceleration) / np.abs(first[i]))
            pace[i + step] = min(pace[i + step], pace[i] + 2 * gain * abs(u[i + step] - u[i]))
    return pace


def _sample(curve, u, times, spec, share) -> TimedPath:
    box = max(1, round(SMOOTHING_S / STEP_S))
    kernel = np.convolve(np.ones(box) / box, np.ones(box) / box)
    stretch = 1.0
    for _ in range(6):
        count = int(np.ceil(stretch * times[-1] / STEP_S)) + 1
        raw = np.interp(STEP_S * np.arange(count), stretch * times, u)
        padded = np.concatenate([np.zeros(len(kernel)), raw, np.ones(len(kernel))])
        smooth = np.clip(np.convolve(padded, kernel, mode="valid"), 0.0, 1.0)
        positions = curve(smooth)
        grid = STEP_S * np.arange(len(positions))
        velocities = np.gradient(positions, STEP_S, axis=0)
        velocities[0] = velocities[-1] = 0.0
        excess = _excess(positions, spec, share)
        if excess <= 1.0:
            break
        stretch *= 1.02 * excess
    return TimedPath(grid, positions, velocities)


def _excess(positions: np.ndarray, spec, share: float) -> float:
    """How much more time the samples want to keep to `share` of velocity and acceleration and to the jerk limit."""
    v, a, j = (np.abs(np.diff(positions, n, axis=0)) / STEP_S**n for n in (1, 2, 3))
    return max(
        float((v / (share * np.asarray(spec.max_velocity))).max(initial=0)),
        float(np.sqrt((a / (share * np.asarray(spec.max_acceleration))).max(initial=0))),
        float(np.cbrt((j / np.asarray(spec.max_jerk)).max(initial=0))),
    )
