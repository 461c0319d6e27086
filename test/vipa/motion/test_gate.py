"""SafetyGate alone: any wish, and every limit holds; plans end at rest; nothing jumps."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vipa.motion.gate import SafetyGate
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics

ROBOT = load_robot("fr3_single")
# the joints' limits alone: the tool's have their own test
KINEMATICS = Kinematics(
    dataclasses.replace(
        ROBOT, groups=[dataclasses.replace(ROBOT.groups[0], workspace=None, tool_speed=10.0, tool_angular_speed=30.0)]
    )
)
DT = 0.01


def gate():
    return SafetyGate(KINEMATICS, DT)


def check(g, start, end):
    assert np.all(np.abs(end.v) <= g.velocity + 1e-5)
    assert np.all(np.abs(end.a) <= g.acceleration + 1e-5)
    assert np.all(np.abs(end.a - start.a) <= g.jerk * DT + 1e-4)
    assert np.all(end.q >= KINEMATICS.lower - 1e-5) and np.all(end.q <= KINEMATICS.upper + 1e-5)
    np.testing.assert_allclose(end.q, start.q + DT * (start.v + end.v) / 2 + DT**2 / 12 * (start.a - end.a), atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(
        st.tuples(st.sampled_from(["hold", "wild", "flip", "none", "nan", "huge"]), st.integers(1, 25)),
        min_size=1,
        max_size=8,
    ),
)
def test_any_wish_keeps_every_limit(seed, phases):
    random, g = np.random.default_rng(seed), gate()
    wish = np.zeros(7)
    for kind, ticks in phases:
        for _ in range(ticks):
            wish = {
                "hold": wish,
                "wild": random.normal(size=7),
                "flip": -wish,
                "none": None,
                "huge": 1e6 * random.normal(size=7),
                "nan": np.full(7, np.nan),
            }[kind]
            start = g.advance(DT)
            g.step(wish, {})
            check(g, start, g.plan.at(DT))
            wish = np.zeros(7) if wish is None or not np.all(np.isfinite(wish)) else wish
    assert g.plan.duration < 0.35
    for k in range(1, 40):  # nothing more arrives: the plan that was sent comes to rest, inside every limit
        check(g, g.plan.at((k - 1) * DT), g.plan.at(k * DT))
    assert g.plan.at(0.4).at_rest


def test_it_follows_a_smooth_wish():
    g, wish = gate(), np.zeros(7)
    for k in range(200):
        g.advance(DT)
        wish = 0.5 * np.sin(2 * (k + 1) * DT) * np.ones(7)
        assert g.step(wish, {}) == ""
        if k > 10:
            assert np.abs(g.plan.at(DT).v - wish).max() < 2e-3
    assert not any(g.clamps.values())


@pytest.mark.parametrize("joint", range(7))
def test_a_position_limit_is_never_passed(joint):
    g = gate()
    for _ in range(600):
        start = g.advance(DT)
        g.step(2.0 * np.eye(7)[joint], {})
        check(g, start, g.plan.at(DT))
    end = g.plan.at(DT)
    assert KINEMATICS.upper[joint] - 0.05 < end.q[joint] <= KINEMATICS.upper[joint] + 1e-6
    others = np.delete(end.q - KINEMATICS.home, joint)
    np.testing.assert_allclose(others, 0, atol=1e-9)  # no joint drifts because another is at its limit
    assert g.clamps["position"] > 0


def test_what_is_beyond_a_limit_may_return_and_not_go_further():
    g = gate()
    q = KINEMATICS.home.copy()
    q[0] = KINEMATICS.upper[0] + 0.01
    g.reset(q)
    for _ in range(20):
        g.advance(DT)
        g.step(np.array([0.5, 0, 0, 0, 0, 0, 0]), {})
    assert g.plan.at(DT).q[0] <= q[0] + 1e-6
    g.advance(DT)
    assert g.step(np.array([-0.5, 0, 0, 0, 0, 0, 0]), {}) == ""  # at once


def test_braking_is_the_rest_of_the_verified_plan_whenever_it_begins():
    g = gate()
    for _ in range(30):
        g.advance(DT)
        g.step(np.full(7, 0.3), {})
    plan = g.plan
    for elapsed in (0.0, 0.003, 0.01, 0.017, 0.1, 5.0):
        g.plan = plan
        g.advance(elapsed)
        g.step(None, {})
        for t in (0.0, 0.004, 0.02, 0.3):
            np.testing.assert_allclose(g.plan.at(t).q, plan.at(elapsed + t).q, atol=1e-12)
            np.testing.assert_allclose(g.plan.at(t).v, plan.at(elapsed + t).v, atol=1e-12)


def test_late_ticks_continue_from_where_the_plan_has_led():
    g, random = gate(), np.random.default_rng(5)
    for _ in range(100):
        before = g.plan
        elapsed = float(random.choice([0.004, 0.01, 0.013, 0.02, 0.05]))
        start = g.advance(elapsed)
        np.testing.assert_allclose(start.q, before.at(elapsed).q)
        g.step(0.5 * random.normal(size=7), {})
        np.testing.assert_allclose(g.plan.at(0).q, start.q)
        np.testing.assert_allclose(g.plan.at(0).v, start.v)


def test_samples_reach_the_least_time_and_end_at_rest():
    g = gate()
    for _ in range(20):
        g.advance(DT)
        g.step(np.full(7, 0.4), {})
    times, positions, velocities = g.plan.samples(DT)
    assert times[0] == DT and times[-1] >= max(0.1, g.plan.duration) - 1e-9
    assert positions.shape == velocities.shape == (len(times), 7)
    assert np.all(velocities[-1] == 0) and np.any(velocities[0] != 0)
    np.testing.assert_allclose(positions[-1], g.plan.at(10).q)


def test_tool_speed_and_workspace_bound_the_tool():
    group = ROBOT.groups[0]
    slow = dataclasses.replace(ROBOT, groups=[dataclasses.replace(group, tool_speed=0.1)])
    kinematics = Kinematics(slow)
    g, arm = SafetyGate(kinematics, DT), kinematics.group("arm")
    for _ in range(300):
        g.advance(DT)
        g.step(np.array([1.0, 0, 0, 0, 0, 0, 0]), {})
        end = g.plan.at(DT)
        assert np.linalg.norm((arm.jacobian(end.q) @ end.v)[:3]) <= 0.1 + 1e-5
        assert arm.forward(end.q)[1] <= group.workspace.max[1] + 1e-5
    assert g.clamps["tool speed"] > 0


def test_limits_that_are_drawn_tighter_brake_and_hold():
    g = gate()
    for _ in range(40):
        g.advance(DT)
        g.step(np.full(7, 0.5), {})
    g.velocity = 0.2 * np.ones(7)
    speeds = []
    for _ in range(60):
        g.advance(DT)
        g.step(np.full(7, 0.5), {})
        speeds.append(np.abs(g.plan.at(DT).v).max())
    assert np.all(np.diff(speeds) <= 1e-3) and speeds[-1] <= 0.2 + 1e-5
