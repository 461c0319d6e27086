"""Drivers: what a robot says of itself becomes ready or not, and the request that leads on, or a word for a person."""

import pytest

from vipa.drivers import franka, ur
from vipa.drivers.controllers import TYPE, Controller
from vipa.drivers.driver import DriverState, with_controllers, with_parameters
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


READY, WANTED = DriverState(True, False, "running"), {"arm_controller": ["a", "b"]}


@pytest.mark.parametrize("found, message", [
    (None, "controller_manager does not answer"),
    ({}, "arm_controller is not loaded; allowed: active"),
    ({"arm_controller": Controller("inactive", TYPE, ("a", "b"))}, "arm_controller is inactive; allowed: active"),
    ({"arm_controller": Controller("unconfigured", TYPE)}, "arm_controller is unconfigured; allowed: active"),
    ({"arm_controller": Controller("active", "ur_controllers/ScaledJointTrajectoryController", ("a", "b"))},
     f"arm_controller is a ur_controllers/ScaledJointTrajectoryController; allowed: {TYPE}"),
    ({"arm_controller": Controller("active", TYPE, ("a",))}, "arm_controller does not command b; allowed: all joints of the robot file"),
    ({"arm_controller": Controller("active", TYPE, ("a", "b", "c"))}, "arm_controller commands c; allowed: joints of the robot file"),
])  # fmt: skip
def test_a_robot_without_the_controllers_of_its_file_is_not_ready(found, message):
    state = with_controllers(READY, found, WANTED)
    assert not state.ready and state.message == message


def test_a_robot_with_the_controllers_of_its_file_is_ready():
    assert with_controllers(READY, {"arm_controller": Controller("active", TYPE, ("b", "a"))}, WANTED) == READY
    waiting = DriverState(False, True, "stopped", "button")
    assert with_controllers(waiting, None, WANTED) == with_parameters(waiting, {}, WANTED) == waiting


GOOD = {"interpolate_from_desired_state": True, "open_loop_control": False, "interpolation_method": "splines",
        "speed_scaling.state_interface": "", "constraints.a.trajectory": 0.0, "constraints.b.trajectory": 0.2}  # fmt: skip


@pytest.mark.parametrize("changes, message", [
    ({"interpolate_from_desired_state": False}, "arm_controller: interpolate_from_desired_state is false; allowed: true"),
    ({"interpolation_method": "none"}, "arm_controller: interpolation_method is none; allowed: splines"),
    ({"speed_scaling.state_interface": "speed_scaling/factor"},
     "arm_controller: speed_scaling.state_interface is speed_scaling/factor; allowed: none"),
    ({"constraints.b.trajectory": 0.1}, "arm_controller: constraints.b.trajectory is 0.1; allowed: 0, or 0.15 and more"),
])  # fmt: skip
def test_a_controller_that_motion_cannot_command_is_refused_by_its_parameter(changes, message):
    state = with_parameters(READY, {"arm_controller": GOOD | changes}, WANTED)
    assert not state.ready and state.message == message


@pytest.mark.parametrize("values", [GOOD, {"open_loop_control": True}, GOOD | {"constraints.b.trajectory": -1.0}])
def test_a_controller_that_motion_can_command_is_ready(values):
    assert with_parameters(READY, {"arm_controller": values}, WANTED) == READY


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


def test_controllers_of_which_nothing_is_known_are_not_ready():
    state = with_parameters(READY, {"left": GOOD}, ["left", "right"])
    assert not state.ready
    assert state.message == "right: interpolate_from_desired_state is not known yet; allowed: true"
    assert with_parameters(READY, {}, []) == READY
