"""Drivers: what a robot says of itself becomes ready or not, and the request that leads on, or a word for a person."""

import pytest

from vipa.drivers import franka, ur
from vipa.drivers.driver import DriverState, with_controllers, with_starts
from vipa.drivers.franka import Franka
from vipa.drivers.gripper import GoalStream
from vipa.drivers.ur import Ur


def franka_in(mode, errors=(), age=0.0):
    robot = Franka()
    robot.mode, robot.errors, robot.heard, robot.now = mode, errors, 10.0, 10.0 + age
    return robot


@pytest.mark.parametrize("robot, ready, estop, request_, message", [
    (Franka(), False, False, "", "is its driver running"),
    (franka_in(franka.IDLE), True, False, "", ""),
    (franka_in(franka.MOVE), True, False, "", ""),
    (franka_in(franka.MOVE, age=1.0), False, False, "", "is its driver running"),
    (franka_in(franka.REFLEX, ("cartesian_reflex",)), False, False, franka.ERROR_RECOVERY, "cartesian_reflex"),
    (franka_in(franka.USER_STOPPED), False, True, "", "stop button"),
    (franka_in(franka.GUIDING), False, False, "", "by hand"),
    (franka_in(9), False, False, "", "Desk"),
    (franka_in(franka.IDLE, ("power_limit_violation",)), False, False, franka.ERROR_RECOVERY, "power_limit_violation"),
])  # fmt: skip
def test_franka(robot, ready, estop, request_, message):
    state = robot.state()
    assert (state.ready, state.estop) == (ready, estop) and message in state.message
    assert (
        robot.recovery() if robot.mode is not None and robot.now - robot.heard <= franka.STATE_TIMEOUT_S else ""
    ) == request_


def ur_in(robot_mode, safety_mode, program=True):
    robot = Ur()
    robot.robot_mode, robot.safety_mode, robot.program = robot_mode, safety_mode, program
    return robot


@pytest.mark.parametrize("robot, ready, estop, request_", [
    (Ur(), False, False, ""), (ur_in(7, 1), True, False, ""), (ur_in(7, 2), True, False, ""),
    (ur_in(7, 1, False), False, False, ur.PROGRAM), (ur_in(7, 3), False, True, ur.UNLOCK), (ur_in(7, 5), False, True, ""),
    (ur_in(7, 6), False, True, ""), (ur_in(7, 7), False, True, ""), (ur_in(7, 9), False, False, ur.RESTART_SAFETY),
    (ur_in(3, 1), False, False, ur.POWER), (ur_in(5, 1), False, False, ur.BRAKES), (ur_in(2, 1), False, False, ""),
    (ur_in(99, 99), False, False, ""),
])  # fmt: skip
def test_ur(robot, ready, estop, request_):
    state = robot.state()
    assert (state.ready, state.estop) == (ready, estop) and bool(state.message) != ready
    assert robot.recovery() == request_


def test_controllers_must_be_active():
    ready = DriverState(True, False, "idle")
    assert with_controllers(ready, {"arm_controller": "active"}, ["arm_controller"]) == ready
    assert (
        "arm_controller is inactive"
        in with_controllers(ready, {"arm_controller": "inactive"}, ["arm_controller"]).message
    )
    assert "not loaded" in with_controllers(ready, {}, ["arm_controller"]).message
    assert not with_controllers(ready, None, ["arm_controller"]).ready


def test_a_gripper_gets_one_goal_at_a_time_and_the_newest_next():
    goals = GoalStream(0.04)
    for target in (0.0, 0.0001):
        goals.take(target)
        assert goals.next() is None
    goals.take(0.02)
    assert goals.next() == 0.02
    for target in (0.03, 0.035, 0.04):
        goals.take(target)
        assert goals.next() is None
    goals.done()
    assert goals.next() == 0.04
    goals.done()
    assert goals.next() is None


def test_controllers_must_begin_at_the_desired_state():
    ready, names = DriverState(True, False, "running"), ["left", "right"]
    assert with_starts(ready, {"left": True, "right": True}, names) == ready
    state = with_starts(ready, {"left": False}, names)
    assert not state.ready and state.message == (
        "left: interpolate_from_desired_state is false; allowed: true; right: interpolate_from_desired_state is not known yet; allowed: true"
    )
    assert with_starts(ready, {}, []) == ready
