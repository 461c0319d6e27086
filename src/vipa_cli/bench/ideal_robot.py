"""A robot that does exactly what it is told: for the benchmarks and tests of motion, without a simulator."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.motion.motion import Motion
from vipa.robot.description import Robot
from vipa.robot.state import JointState, JointTrajectory

START_NS = 1_000_000_000  # ROS time at the beginning


class IdealRobot:
    """Follows the newest trajectory of each controller without lag: cubic between points, at rest after the last.

    time: seconds since the start, never jumping; ROS time is ahead of it by `offset` seconds. positions, velocities: by joint
    name. A trajectory that JointTrajectoryController would refuse (not
    rising in time, not finite, moving at its end) raises ValueError.
    """

    def __init__(self, robot: Robot):
        self.time = self.offset = 0.0
        self.positions: dict[str, float] = {}
        self.velocities: dict[str, float] = {}
        for group in robot.groups:
            self.positions |= dict(zip(group.joints, group.home))
            if group.hand is not None:
                self.positions |= dict(zip(group.hand.joints, group.hand.closed))
        self.velocities = dict.fromkeys(self.positions, 0.0)
        self.followed: dict[str, tuple[float, JointTrajectory, dict[str, float], dict[str, float]]] = {}

    @property
    def now_ns(self) -> int:
        return START_NS + round((self.time + self.offset) * 1e9)

    def state(self) -> JointState:
        return JointState(
            self.now_ns,
            tuple(self.positions),
            np.array([*self.positions.values()]),
            np.array([*self.velocities.values()]),
        )

    def command(self, commands: dict[str, JointTrajectory]) -> None:
        """New trajectories, by controller, arriving now."""
        for controller, trajectory in commands.items():
            if np.any(np.diff(trajectory.times) <= 0) or trajectory.times[0] <= 0:
                raise ValueError(f"{controller}: times do not rise: {trajectory.times}")
            if not np.all(np.isfinite(trajectory.positions)) or np.any(trajectory.velocities[-1] != 0):
                raise ValueError(f"{controller}: not finite, or moving at its end")
            names = trajectory.joint_names
            self.followed[controller] = (
                self.time,
                trajectory,
                {n: self.positions[n] for n in names},
                {n: self.velocities[n] for n in names},
            )

    def advance(self, dt: float) -> None:
        """`dt` seconds pass."""
        self.time += dt
        for begun, trajectory, start, speed in self.followed.values():
            t = self.time - begun
            times = np.concatenate([[0.0], trajectory.times])
            for j, name in enumerate(trajectory.joint_names):
                p = np.concatenate([[start[name]], trajectory.positions[:, j]])
                v = np.concatenate([[speed[name]], trajectory.velocities[:, j]])
                self.positions[name], self.velocities[name] = _cubic(times, p, v, t)


def _cubic(times: np.ndarray, p: np.ndarray, v: np.ndarray, t: float) -> tuple[float, float]:
    if t >= times[-1] - 1e-9:
        return float(p[-1]), 0.0
    i = int(np.searchsorted(times, t + 1e-9, side="right")) - 1
    h = times[i + 1] - times[i]
    x = (t - times[i]) / h
    if abs(x) < 1e-6:
        return float(p[i]), float(v[i])
    a, b = p[i] - p[i + 1], h * v[i]
    c, d = h * v[i + 1], 0.0
    position = (2 * a + b + c) * x**3 + (-3 * a - 2 * b - c) * x**2 + b * x + p[i]
    velocity = (3 * (2 * a + b + c) * x**2 + 2 * (-3 * a - 2 * b - c) * x + b) / h + d
    return float(position), float(velocity)


@dataclass
class Log:
    """What the motion commanded, a row a tick: time (s), q, v, a, jerk (n,), reference-frame tool pose (7,) by group."""

    time: list[float] = field(default_factory=list)
    q: list[np.ndarray] = field(default_factory=list)
    v: list[np.ndarray] = field(default_factory=list)
    a: list[np.ndarray] = field(default_factory=list)
    tool: dict[str, list[np.ndarray]] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)

    def array(self, name: str) -> np.ndarray:
        return np.array(getattr(self, name))

    @property
    def jerk(self) -> np.ndarray:
        """(T - 1, n): differences of the accelerations."""
        return np.diff(self.array("a"), axis=0) / np.diff(self.array("time"))[:, None]


def drive(
    motion: Motion,
    robot: IdealRobot,
    seconds: float,
    source: Callable[[float, int], list[ActionChunk]] | None = None,
    log: Log | None = None,
) -> Log:
    """Run `motion` against `robot` at the control rate. source(time, now_ns) gives the chunks that arrive before a tick."""
    log = log or Log()
    for _ in range(round(seconds / motion.dt)):
        for chunk in source(robot.time, robot.now_ns) if source else ():
            log.answers.append(motion.chunk(chunk, robot.now_ns, robot.time))
        robot.command(motion.tick(robot.state(), robot.time))
        end = motion.gate.plan.at(motion.dt)
        robot.advance(motion.dt)
        log.time.append(robot.time)
        log.q.append(end.q)
        log.v.append(end.v)
        log.a.append(end.a)
        for name, state in motion.commanded().items():
            log.tool.setdefault(name, []).append(state.tool_pose)
    return log


def pose_chunk(
    motion: Motion, group: str, poses: np.ndarray, start_ns: int, dt: float, seq: int, **fields
) -> ActionChunk:
    """A chunk of `poses` (T, 7) for one group, in the name of whoever has authority."""
    spec = motion.robot.group(group)
    action = GroupAction(group, spec.base_frame, spec.tool_frame, np.atleast_2d(poses))
    return _chunk(motion, action, start_ns, dt, seq, fields)


def joint_chunk(
    motion: Motion, group: str, joints: np.ndarray, start_ns: int, dt: float, seq: int, **fields
) -> ActionChunk:
    """A chunk of `joints` (T, J) for one group, in the name of whoever has authority."""
    action = GroupAction(group, joint_names=tuple(motion.robot.group(group).joints), joints=np.atleast_2d(joints))
    return _chunk(motion, action, start_ns, dt, seq, fields)


def _chunk(motion: Motion, action: GroupAction, start_ns: int, dt: float, seq: int, fields: dict) -> ActionChunk:
    usual = {
        "commander_id": motion.authority,
        "epoch": motion.epoch,
        "seq": seq,
        "stamp_ns": start_ns,
        "start_ns": start_ns,
        "dt": dt,
        "groups": (action,),
    }
    return ActionChunk(**usual | fields)
