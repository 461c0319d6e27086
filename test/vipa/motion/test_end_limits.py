"""What a Franka FR3 allows its joints near the ends of their ranges: the gate and the planner keep to it, with libfranka's own formula
as the judge (0.21, rate_limiting.h)."""

import dataclasses

import numpy as np
import pytest

from vipa.motion.gate import SafetyGate
from vipa.planning.time_parameterization import smooth_curve, time_path
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics

DT = 0.01
FACTOR = np.array([12.0, 5.17, 7.0, 8.0, 34.0, 11.0, 34.0])
OFFSET = np.array([0.30, 0.20, 0.20, 0.30, 0.35, 0.35, 0.35])
UPPER = np.array([2.7501, 1.7918, 2.9065, -0.1458, 2.8101, 4.5205, 3.0196])
LOWER = np.array([-2.7501, -1.7918, -2.9065, -3.0481, -2.8101, 0.54092, -3.0196])


def arm(**change):
    """Kinematics of the FR3 whose tool may go anywhere, as fast as its joints."""
    robot = load_robot("fr3_single")
    free = {"workspace": None, "tool_speed": 5.0, "tool_angular_speed": 20.0}
    return Kinematics(
        dataclasses.replace(robot, groups=[dataclasses.replace(robot.groups[0], **free | change)], ignore_pairs=[])
    )


def franka(q, v):
    """rad/s by which velocities `v` (..., 7) at `q` (..., 7) are beyond what the arm allows: nought or less where it goes on."""
    up = np.maximum(np.sqrt(FACTOR * np.maximum(UPPER - q, 0.0)) - OFFSET, 0.0)
    down = np.maximum(np.sqrt(FACTOR * np.maximum(q - LOWER, 0.0)) - OFFSET, 0.0)
    return np.maximum(v - up, -down - v).max()


def drive(kinematics, start, wish, ticks=200):
    """Joints and velocities (T, 7) of a gate that starts at `start` and is asked for `wish` (7,) rad/s, five samples a tick."""
    gate, q, v = SafetyGate(kinematics, DT), [], []
    gate.reset(start)
    for _ in range(ticks):
        gate.advance(DT)
        gate.step(wish, {})
        for share in np.linspace(0.0, 1.0, 5):
            state = gate.plan.at(share * DT)
            q.append(state.q)
            v.append(state.v)
    return np.array(q), np.array(v)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("joint", range(7))
def test_a_joint_nears_its_end_as_the_arm_allows(joint, sign):
    free = arm()
    start, wish = (free.lower + free.upper) / 2, np.zeros(7)
    wish[joint] = sign * free.robot.groups[0].max_velocity[joint]
    q, v = drive(free, start, wish)
    assert franka(q, v) <= 0.0
    end = free.upper if sign > 0 else free.lower
    assert abs(q[-1, joint] - end[joint]) < 0.15  # it was not just held


def test_without_the_limits_the_arm_would_end_the_motion():
    bare = arm(end_limits=None)
    beyond = []
    for joint in range(7):
        wish = np.zeros(7)
        wish[joint] = bare.robot.groups[0].max_velocity[joint]
        beyond.append(franka(*drive(bare, (bare.lower + bare.upper) / 2, wish)))
    assert min(beyond[1:4]) > 0.5  # shoulder and elbow, whose limits reach furthest


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_wished(seed):
    random, free = np.random.default_rng(seed), arm()
    gate = SafetyGate(free, DT)
    gate.reset(random.uniform(free.lower, free.upper))
    beyond, wish = -np.inf, np.zeros(7)
    for tick in range(300):
        if tick % 40 == 0:
            wish = random.uniform(-3.0, 3.0, 7)
        gate.advance(DT)
        gate.step(wish, {})
        states = [gate.plan.at(share * DT) for share in (0.0, 0.5, 1.0)]
        beyond = max(beyond, *(franka(s.q, s.v) for s in states))
    assert beyond <= 0.0


def test_a_planned_way_keeps_to_it():
    free = arm()
    start, goal = free.home.copy(), free.home.copy()
    start[1], goal[1] = 0.0, free.upper[1] - 0.01
    timed = time_path(smooth_curve(np.array([start, goal]), 0.2), free.groups["arm"], 1.0)
    assert franka(timed.positions, timed.velocities) <= 0.0


def test_values_a_joint():
    with pytest.raises(ValueError, match="end_limits wants 7 values of each"):
        group = load_robot("fr3_single").groups[0]
        dataclasses.replace(group, end_limits=dataclasses.replace(group.end_limits, offset=[0.1]))
