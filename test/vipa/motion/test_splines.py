"""What the controllers execute: cubics between our points. They keep the robot file's limits, also when ticks come late."""

import dataclasses

import numpy as np
import pytest

from vipa.motion.gate import SafetyGate
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics
from vipa.robot.state import JointTrajectory
from vipa.robot.trajectory_controller import TrajectoryController

ROBOT = load_robot("fr3_single")
GROUP = dataclasses.replace(ROBOT.groups[0], workspace=None, tool_speed=5.0, tool_angular_speed=20.0)
KINEMATICS = Kinematics(dataclasses.replace(ROBOT, groups=[GROUP]))
PHASES = 8  # samples a tick


def executed(dt, jitter):
    """Velocities and accelerations (S, 7), jerks within cubics (S, 7) and between samples a tick apart (S', 7; without jitter)."""
    gate, random, names = SafetyGate(KINEMATICS, dt), np.random.default_rng(0), tuple(GROUP.joints)
    controller, now, elapsed, wish, rows = TrajectoryController("c", names), 0.0, 0.0, np.zeros(7), []
    controller.reset(gate.state.q)
    for tick in range(1200):
        if tick % 7 == 0:
            wish = random.normal(size=7) * random.choice([0.1, 0.5, 2.0])
        gate.advance(elapsed)
        gate.step(wish if tick % 50 < 40 else None, {})
        assert controller.accept(JointTrajectory(names, *gate.plan.samples(dt)), now) == ""
        elapsed = dt * (1 + random.uniform(-jitter, jitter))
        times = now + elapsed * np.arange(PHASES) / PHASES
        segment = np.maximum(np.searchsorted(controller._times, times, side="right") - 1, 0)
        _, _, square, cube = controller._polynomial[:, segment]
        since = np.maximum(times - controller._since[segment], 0.0)[:, None]
        rows.append((controller.sample(times)[1], 2 * square + 6 * since * cube, 6 * cube))
        now += elapsed
    v, a, j = (np.concatenate(part) for part in zip(*rows))
    return v, a, j, (a[PHASES:] - a[:-PHASES]) / dt


@pytest.mark.parametrize("rate", [100, 250])
@pytest.mark.parametrize("jitter", [0.0, 0.2])
def test_the_controllers_cubics_keep_velocity_acceleration_and_jerk(rate, jitter):
    v, a, within, between = executed(1 / rate, jitter)
    assert np.abs(v / GROUP.max_velocity).max() <= 1.0 + 1e-3
    # at a tick that is late the controllers are on their cubic, not quite where our plan is
    assert 0.9 < np.abs(a / GROUP.max_acceleration).max() <= (1.01 if jitter else 1.0 + 1e-6)
    assert np.abs(within / GROUP.max_jerk).max() <= 1.0 + 1e-6
    if not jitter:
        assert 0.9 < np.abs(between / GROUP.max_jerk).max() <= 1.0 + 1e-6
