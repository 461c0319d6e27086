"""What a motion step costs: plain damped least squares, the servo without and with collisions, mink, a whole tick, in one run."""

import time
from contextlib import contextmanager

import numpy as np

from vipa.motion.buffer import Reference
from vipa.motion.motion import Motion
from vipa.motion.servo import Servo, Target
from vipa.robot.description import Robot
from vipa.robot.fixture import Fixture
from vipa.robot.kinematics import Kinematics
from vipa_cli.bench import against_mink
from vipa_cli.bench.ideal_robot import IdealRobot
from vipa_cli.bench.motion_cases import Stream, begin

TABLETOP = (
    Fixture("table", [0.5, 0.0, -0.02], [1.2, 1.6, 0.04]),
    Fixture("cabinet", [0.6, 0.45, 0.15], [0.3, 0.3, 0.3]),
)
BASE = "damped least squares"
WARM_UP = 20  # steps that are not counted


class Times:
    """Seconds of each step, by what was timed."""

    def __init__(self):
        self.samples: dict[str, list[float]] = {}

    @contextmanager
    def of(self, name: str):
        """Times what is done inside."""
        clock = time.perf_counter()
        yield
        self.samples.setdefault(name, []).append(time.perf_counter() - clock)

    def table(self) -> dict[str, dict[str, float]]:
        """Name → p50_us, p99_us, and ratio of the median to that of BASE."""
        table = {}
        for name, samples in self.samples.items():
            p50, p99 = np.percentile(samples[WARM_UP:], (50, 99))
            table[name] = {"p50_us": 1e6 * float(p50), "p99_us": 1e6 * float(p99)}
        for row in table.values():
            row["ratio"] = row["p50_us"] / table[BASE]["p50_us"]
        return table


def costs(robot: Robot, steps: int = 600) -> dict[str, dict[str, float]]:
    """Times of a step by name, and "pairs": how many pairs of shapes are kept apart. Every arm follows a small closed path."""
    motion, cell = begin(robot, TABLETOP)
    q0, kinematics = motion.kinematics.home, motion.kinematics
    homes = {g.name: kinematics.groups[g.name].forward(q0[kinematics.columns[g.name]]) for g in robot.arms}
    times = Times()
    wanted = _solvers(motion, homes, steps, times)
    _ticks(motion, cell, homes[robot.arms[0].name], steps, times)
    pairs = {"count": float(len(motion.collisions.pairs))}
    if against_mink.installed():
        times.samples["mink, collisions"], count = against_mink.times(robot, TABLETOP, wanted)
        pairs["mink_count"] = float(count)
    return times.table() | {"pairs": pairs}


def _solvers(motion: Motion, homes: dict[str, np.ndarray], steps: int, times: Times) -> list[dict[str, np.ndarray]]:
    """Times the solvers on one stream of targets, and returns the poses (7,) of these by step and arm."""
    kinematics, dt = motion.kinematics, motion.dt
    bare, q, v, wanted = Servo(kinematics, dt), kinematics.home.copy(), np.zeros(len(kinematics.home)), []
    for k in range(steps):
        targets = _targets(homes, 2 * np.pi * k / steps)
        wanted.append({name: target.pose.value for name, target in targets.items()})
        with times.of(BASE):
            _damped_least_squares(kinematics, q, targets)
        with times.of("servo"):
            bare.step(q, v, targets, {})
        with times.of("servo, collisions"):
            wish = motion.servo.step(q, v, targets, motion.references.openings())
        q, v = q + dt * wish, wish
    return wanted


def _targets(homes: dict[str, np.ndarray], turn: float) -> dict[str, Target]:
    twist = np.array([-np.sin(turn), np.cos(turn), 0.3 * np.cos(2 * turn), 0, 0, 0]) * 0.1
    way = _way(turn)
    return {name: Target(pose=Reference(home + way, twist, np.zeros(6))) for name, home in homes.items()}


def _way(turn: float) -> np.ndarray:
    """From a home pose (7,) to the path's point at `turn` radians."""
    return np.concatenate([0.05 * np.array([np.cos(turn) - 1, np.sin(turn), 0.2 * np.sin(2 * turn)]), np.zeros(4)])


def _damped_least_squares(kinematics: Kinematics, q: np.ndarray, targets: dict[str, Target]) -> None:
    for name, target in targets.items():
        placement, jacobian = kinematics.groups[name].forward_jacobian(q[kinematics.columns[name]])
        task = target.pose.rate.copy()
        task[:3] += 12.0 * (target.pose.value[:3] - placement.translation)
        jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-4 * np.eye(6), task)


def _ticks(motion: Motion, cell: IdealRobot, home: np.ndarray, steps: int, times: Times) -> None:
    """Times whole ticks of motion, of which the first arm follows chunks at 10 Hz."""
    stream = Stream(motion, lambda t: home + _way(2 * t), 10.0, 20, 0.05)
    for _ in range(steps):
        for chunk in stream(cell.time, cell.now_ns):
            motion.chunk(chunk, cell.now_ns, cell.time)
        with times.of("tick"):
            commands = motion.tick(cell.state(), cell.time)
        cell.command(commands)
        cell.advance(motion.dt)
