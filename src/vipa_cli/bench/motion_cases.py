"""How motion follows, stops and keeps clear: each case drives it against an ideal robot and returns its figures."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vipa.motion.motion import Motion
from vipa.robot.description import Robot
from vipa.robot.fixture import Fixture
from vipa_cli.bench.ideal_robot import IdealRobot, drive, joint_chunk, pose_chunk

RADIUS_M = 0.05  # metres: a circle of 10 cm
WALL = Fixture("wall", [0.75, 0.0, 0.4], [0.2, 1.2, 0.8])


def begin(robot: Robot, fixtures=()) -> tuple[Motion, IdealRobot]:
    """A motion with authority for 'bench', its robot at home and at rest."""
    motion, cell = Motion(robot, fixtures), IdealRobot(robot)
    motion.set_authority("bench")
    drive(motion, cell, 0.1)
    return motion, cell


class Stream:
    """A source for `drive`: `horizon` steps of path(seconds since the first call), `rate` times a second, until `until`."""

    def __init__(
        self,
        motion: Motion,
        path: Callable[[float], np.ndarray],
        rate: float,
        horizon: int,
        step: float,
        until: float = np.inf,
        group: str = "",
    ):
        self.motion, self.path, self.rate, self.horizon, self.step, self.until = (
            motion,
            path,
            rate,
            horizon,
            step,
            until,
        )
        self.group = group or motion.robot.arms[0].name
        self.first = self.next = None
        self.seq = 0

    def __call__(self, now: float, now_ns: int):
        if self.first is None:
            self.first = self.next = now
        while self.next <= now + 1e-9 and self.next - self.first < self.until:
            self.seq += 1
            poses = np.array([self.path(self.next - self.first + k * self.step) for k in range(self.horizon)])
            due = now_ns - round(
                (now - self.next) * 1e9
            )  # a pose is stamped when it was meant, and arrives with the next tick
            yield pose_chunk(self.motion, self.group, poses, due, self.step, self.seq)
            self.next += 1 / self.rate


def circle(robot: Robot, speed: float, rate: float, horizon: int, step: float) -> dict[str, float]:
    """A circle of 10 cm at `speed` m/s: RMS error, lag and what remains without it, largest and RMS joint jerk."""
    motion, cell = begin(robot)
    home = motion.commanded()[robot.arms[0].name].tool_pose

    def path(t):
        a = speed / RADIUS_M * t
        return home + np.concatenate([RADIUS_M * np.array([np.cos(a) - 1, np.sin(a), 0]), np.zeros(4)])

    first = cell.time
    log = drive(motion, cell, 1.0 + 2 * 2 * np.pi * RADIUS_M / speed, Stream(motion, path, rate, horizon, step))
    times = log.array("time") - first
    steady = times > 1.0
    tool = np.array(log.tool[robot.arms[0].name])[steady, :3]

    def rms(lag):
        wanted = np.array([path(t - lag)[:3] for t in times[steady]])
        return float(np.sqrt(np.mean(np.sum((tool - wanted) ** 2, axis=1))))

    lags = np.arange(-0.02, 0.2, 0.001)
    errors = [rms(lag) for lag in lags]
    jerk = log.jerk[steady[1:]]
    return {
        "rms_mm": 1e3 * rms(0.0),
        "lag_ms": 1e3 * float(lags[int(np.argmin(errors))]),
        "residual_mm": 1e3 * min(errors),
        "jerk_max": float(np.abs(jerk).max()),
        "jerk_rms": float(np.sqrt(np.mean(jerk**2))),
    }


def cut(robot: Robot, speed: float = 0.2) -> dict[str, float]:
    """A stream of single poses at 30 Hz ends in mid-motion: time to rest (below 1 % of the speed) and way covered."""
    motion, cell = begin(robot)
    name = robot.arms[0].name
    home = motion.commanded()[name].tool_pose
    source = Stream(motion, lambda t: home + np.array([0, speed * t, 0, 0, 0, 0, 0]), 30.0, 1, 1 / 30, until=1.0)
    log = drive(motion, cell, 1.0, source)
    at = len(log.time)
    log = drive(motion, cell, 1.0, log=log)
    y = np.array(log.tool[name])[:, 1]
    speeds = np.abs(np.diff(y[at - 1 :])) / motion.dt
    return {
        "rest_ms": 1e3 * motion.dt * float(np.argmax(speeds < 0.01 * speed)),
        "coast_mm": 1e3 * float(y[-1] - y[at - 1]),
    }


def wall(robot: Robot, speed: float = 0.05) -> dict[str, float]:
    """Poses lead 10 cm through a wall, then back: smallest clearance, and how long the arm stays once the way is free."""
    motion, cell = begin(robot, [WALL])
    name = robot.arms[0].name
    home, first, turn = motion.commanded()[name].tool_pose, cell.time, 0.35 / speed

    def path(t):
        return home + np.array([speed * (t if t < turn else max(2 * turn - t, 0)), 0, 0, 0, 0, 0, 0])

    log = drive(motion, cell, 2 * turn, Stream(motion, path, 30.0, 1, 1 / 30))
    x, times = np.array(log.tool[name])[:, 0], log.array("time") - first
    nearest = np.inf
    for q in log.q[::2]:
        motion.gate.clearance.here(q, motion.references.openings())
        nearest = min(nearest, motion.gate.clearance.nearest()[0])
    stays = [t for t, p in zip(times, x) if t > turn and path(t)[0] < p - 0.01]
    behind = max((p - path(t)[0] for t, p in zip(times, x) if turn < t < 2 * turn - 0.5), default=0.0)
    return {
        "clearance_mm": 1e3 * nearest,
        "margin_mm": 1e3 * robot.margin,
        "longest_behind_s": motion.dt * len(stays),
        "furthest_behind_mm": 1e3 * max(behind, 0.0),
        "gate_clamps": float(motion.clamps),
    }


def limit(robot: Robot) -> dict[str, float]:
    """The last joint is sent beyond its limit: how near it comes, and how far the others drift."""
    motion, cell = begin(robot)
    group = robot.arms[0]
    q = np.array(group.home)
    goal = q.copy()
    bound = motion.kinematics.upper[len(q) - 1]
    goal[-1] = bound + 0.3
    steps = q + np.linspace(0.02, 1, 50)[:, None] * (goal - q)
    motion.chunk(joint_chunk(motion, group.name, steps, cell.now_ns, 0.05, 1), cell.now_ns, cell.time)
    log = drive(motion, cell, 4.0)
    end = log.array("q")[:, : len(q)]
    return {
        "short_of_limit_mrad": 1e3 * float(bound - end[:, -1].max()),
        "drift_mrad": 1e3 * float(np.abs(end[:, :-1] - q[:-1]).max()),
    }


def singularity(robot: Robot) -> dict[str, float]:
    """The arm is stretched beyond its reach at 8 cm/s, held there and brought back: how often joints turn round while it is
    held (MoveIt Servo's status changed 52 times, and it did not hold), and how far from its pose it ends."""
    free = replace(robot, groups=[replace(g, workspace=None) if g.kind == "arm" else g for g in robot.groups])
    motion, cell = begin(free)
    name, speed = robot.arms[0].name, 0.08
    home, first, turn = motion.commanded()[name].tool_pose, cell.time, 0.6 / speed

    def path(t):
        return home + np.concatenate([speed * max(min(t, 2 * turn - t), 0) * np.array([1.0, 0, 0.3]), np.zeros(4)])

    log = drive(motion, cell, 2 * turn + 0.5, Stream(motion, path, 30.0, 1, 1 / 30))
    times, v = log.array("time") - first, log.array("v")
    held = v[(times > turn - 0.8) & (times < turn)]
    signs = np.sign(held) * (np.abs(held) > 0.02)
    return {
        "turns": float(np.sum(signs[1:] * signs[:-1] < 0)),
        "jerk_max": float(np.abs(log.jerk).max()),
        "end_mm": 1e3 * float(np.linalg.norm(np.array(log.tool[name])[-1, :3] - home[:3])),
        "gate_clamps": float(motion.clamps),
    }


def splices(robot: Robot, noise: float = 0.01) -> dict[str, float]:
    """Chunks at 10 Hz, each shifted by its own noise: the largest steps of the commanded tool over a tick."""
    motion, cell = begin(robot)
    name, random = robot.arms[0].name, np.random.default_rng(0)
    home = motion.commanded()[name].tool_pose
    shift = {"now": np.zeros(7)}

    class Noisy(Stream):
        def __call__(self, now, now_ns):
            for chunk in super().__call__(now, now_ns):
                shift["now"] = np.concatenate([noise * random.normal(size=3), np.zeros(4)])
                yield chunk

    source = Noisy(motion, lambda t: home + np.array([0, 0.05 * t, 0, 0, 0, 0, 0]) + shift["now"], 10.0, 20, 0.05)
    log = drive(motion, cell, 4.0, source)
    tool = np.array(log.tool[name])[50:, :3]
    return {
        "position_step_mm": 1e3 * float(np.linalg.norm(np.diff(tool, axis=0), axis=1).max()),
        "velocity_step_mm_s": 1e3 * float(np.linalg.norm(np.diff(tool, 2, axis=0), axis=1).max() / motion.dt),
        "jerk_max": float(np.abs(log.jerk).max()),
    }
