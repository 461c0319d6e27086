"""Driver `franky` against a stand-in of franky's API: leases, faults, recovery, the hand's goals, several arms together."""

import os
import threading
from dataclasses import replace

import numpy as np
import pytest

from helpers.franky_stand_in import NetworkException, StandIn
from vipa.drivers import franka
from vipa.drivers.driver import DriverState
from vipa.drivers.franky import RECOVER, Franky
from vipa.drivers.franky_arm import LEASE_S, FrankyArm
from vipa.drivers.franky_hand import FrankyHand
from vipa.errors import VipaError
from vipa.preflight import franky_checks
from vipa.robot import description
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics

SETTINGS = description.Franky("172.16.0.2")
HALF = np.full(7, 0.5)


@pytest.fixture
def api():
    return StandIn()


@pytest.fixture
def arm(api):
    return FrankyArm(SETTINGS, api)


def step(arm, api, velocity=None, seconds=0.01):
    """One period: read, give, and time passes."""
    reading = arm.read()
    if velocity is not None:
        arm.give(velocity)
    api.robot.pass_time(seconds)
    return reading


def test_it_is_reached_as_the_robot_file_says(arm, api):
    assert api.robot.address == "172.16.0.2" and api.robot.realtime == "enforce"
    assert api.robot.thresholds == (SETTINGS.torque_thresholds, SETTINGS.force_thresholds)
    FrankyArm(description.Franky("127.0.0.1", realtime=False), api)
    assert api.robot.realtime == "ignore"


def test_who_is_not_there_is_one_clear_error(api):
    api.refused = NetworkException("libfranka: Connection to FCI refused.")
    with pytest.raises(VipaError, match="Franka arm at 172.16.0.2: libfranka: Connection to FCI refused"):
        FrankyArm(SETTINGS, api)


def test_a_velocity_that_is_not_renewed_brakes_without_us(arm, api):
    for _ in range(10):
        step(arm, api, HALF)
    moving, before = arm.moving, api.robot.q.copy()
    api.robot.pass_time(1.0)  # this process does nothing
    assert moving and np.abs(api.robot.q - before).max() <= 0.5 * LEASE_S + 1e-9 and not api.robot.is_in_control
    assert step(arm, api).velocities.tolist() == [0.0] * 7 and not arm.moving and arm.fault == ""


def test_a_reflex_is_told_and_nothing_moves_until_it_is_recovered(arm, api):
    step(arm, api, HALF)
    api.robot.fall("cartesian_reflex")
    state = arm.state(step(arm, api))
    assert not state.ready and not state.estop and state.mode == "reflex" and "cartesian_reflex" in state.message
    q = api.robot.q.copy()
    step(arm, api, HALF)  # somebody who does not look
    step(arm, api)
    assert np.array_equal(api.robot.q, q) and api.robot.recovered == 0
    assert arm.recover() == ""
    assert arm.state(step(arm, api)).ready and api.robot.recovered == 1
    step(arm, api, HALF)
    assert arm.moving and (api.robot.q > q).all()


def test_what_ended_a_motion_is_a_fault_even_when_the_robot_says_idle(arm, api):
    step(arm, api, HALF)
    api.robot.fall("communication_constraints_violation", mode=1)
    api.robot.errors = api.Errors()
    state = arm.state(step(arm, api))
    assert (
        not state.ready and "communication_constraints_violation" in state.message and "then recover" in state.message
    )
    assert arm.recover() == "" and arm.state(arm.read()).ready


def test_the_stop_button_is_a_persons(arm, api):
    api.robot.fall("cartesian_reflex", mode=5)
    assert arm.state(arm.read()).estop
    assert "rejected" in arm.recover() and not arm.state(arm.read()).ready


def test_a_cut_cable_is_a_fault_until_the_arm_is_reached_again(arm, api):
    step(arm, api, HALF)
    api.robot.cut()
    assert step(arm, api) is None and arm.read() is None
    state = arm.state(None)
    assert not state.ready and state.mode == "silent" and "connection lost" in state.message
    arm.brake()  # nobody to brake
    api.refused = NetworkException("no route")
    assert "no route" in arm.recover() and arm.read() is None
    api.refused = None
    assert arm.recover() == "" and arm.state(arm.read()).ready


def test_a_planner_of_franky_that_fails_is_a_fault(arm, api):
    step(arm, api, HALF)
    api.robot.motion, api.robot.raised = None, RuntimeError("Motion planner failed with error code -100")
    assert "Motion planner failed" in arm.state(step(arm, api)).message


def test_the_wrench_is_what_acts_on_the_tool(arm, api):
    api.robot.wrench = np.array([1.0, -2.0, 3.0, 0.1, 0.2, -0.3])
    assert arm.read().wrench.tolist() == [-1.0, 2.0, -3.0, -0.1, -0.2, 0.3]


def test_numbers_that_are_none_are_refused(arm, api):
    api.robot.q[3] = np.nan
    with pytest.raises(ValueError, match="positions of the arm are not finite"):
        arm.read()


def test_another_end_effector_than_the_robot_files_is_refused(arm, api):
    api.robot.pose = np.eye(4)
    arm.check_tool(np.eye(4))
    api.robot.pose = np.eye(4)
    api.robot.pose[2, 3] = 0.01
    with pytest.raises(VipaError, match="10.0 mm and 0.000 rad beside"):
        arm.check_tool(np.eye(4))


# the hand

FINGERS = load_robot("fr3_single").arms[0].hand


def hand(api):
    made = FrankyHand("172.16.0.2", FINGERS, api)
    made.close()
    made._thread.join()
    return made


def test_goals_are_sent_one_at_a_time_and_closing_is_a_grasp(api):
    made = hand(api)
    for target in (0.04, 0.0):  # the first is where it is
        made.take(target)
        made.look()
    assert [words for words, _ in api.goals] == [("grasp", 0.0, FINGERS.force)]
    for target in (0.01, 0.04):
        made.take(target)
        made.look()
    assert len(api.goals) == 1
    made.width, api.goals[0][1].result = 0.03, True  # on what it holds
    made.look()
    assert api.goals[1][0] == ("move", 0.08)


def test_a_goal_that_failed_is_told_and_the_next_one_sent(api):
    made = hand(api)
    made.take(0.04)
    made.take(0.0)
    made.look()
    api.goals[0][1].result = api.CommandException("libfranka gripper: Command failed!")
    made.look()
    assert made.fault == "libfranka gripper: Command failed!"
    made.take(0.02)
    made.look()
    assert len(api.goals) == 2


def test_a_hand_that_was_never_homed_is_refused(api):
    api.max_width = 0.0
    with pytest.raises(VipaError, match="home it in Desk"):
        FrankyHand("172.16.0.2", FINGERS, api)


# what node `robot` makes of it

READY, REFLEX = DriverState(True, False, "idle"), DriverState(False, False, "reflex", "a reflex stopped the robot")
STOPPED = DriverState(False, True, "user stopped", franka.WHY[franka.USER_STOPPED])


def test_two_arms_are_ready_when_both_are():
    both = Franky(["left", "right"])
    assert "left: no state of the arm" in both.state().message and both.recovery() == ""
    both.heard, both.now = {"left": (READY, 1.0), "right": (READY, 1.1)}, 1.2
    assert both.state().ready and both.recovery() == ""
    both.heard["right"] = REFLEX, 1.2
    assert not both.state().ready and both.state().message.startswith("right: a reflex") and both.recovery() == RECOVER
    assert both.stopped() == ["right"]
    both.heard["left"] = STOPPED, 1.2
    assert both.state().estop and both.stopped() == ["right"]
    both.now = 2.0  # nothing more is heard of either
    assert both.state().mode == "silent" and both.recovery() == ""


# before it starts


def test_preflight_asks_the_arm(api):
    robot = load_robot("fr3_single")
    assert "franky is not set" in franky_checks.arms(robot, api)[0].detail
    robot = replace(robot, groups=[replace(robot.arms[0], franky=SETTINGS)])
    pose = Kinematics(robot).group("arm").placement(np.zeros(7)).homogeneous
    api.made = lambda made: setattr(made, "pose", pose)
    (found,) = franky_checks.arms(robot, api)
    assert found.ok and found.detail == "172.16.0.2, idle", found
    api.max_width = 0.0
    assert "home it in Desk" in franky_checks.arms(robot, api)[0].detail
    api.max_width, api.made = 0.08, lambda made: made.fall("cartesian_reflex")
    assert "cartesian_reflex" in franky_checks.arms(robot, api)[0].detail
    api.made = lambda made: setattr(made, "pose", np.eye(4))
    assert "robot file's tool frame" in franky_checks.arms(robot, api)[0].detail
    api.refused = NetworkException("no route to host")
    (found,) = franky_checks.arms(robot, api)
    assert not found.ok and "no route to host" in found.detail and "Desk" in found.fix


def test_only_frankys_own_thread_has_the_priority_that_libfranka_takes(api, monkeypatch):
    scheduling = {threading.get_ident(): (os.SCHED_OTHER, os.sched_param(0))}
    high = (os.SCHED_FIFO, os.sched_param(99))
    mine = threading.get_ident

    def take(_, *given):
        scheduling[mine()] = given

    monkeypatch.setattr(os, "sched_setscheduler", take)
    monkeypatch.setattr(os, "sched_getscheduler", lambda _: scheduling[mine()][0])
    monkeypatch.setattr(os, "sched_getparam", lambda _: scheduling[mine()][1])
    api.made = lambda robot: scheduling.__setitem__(mine(), high)  # as its constructor does
    started = []
    arm = FrankyArm(SETTINGS, api)
    move = api.robot.move
    api.robot.move = lambda *a, **k: (started.append(scheduling[mine()]), move(*a, **k))
    arm.give(HALF)
    arm.give(HALF)  # the thread is there: only its motion is another
    assert started == [high, (os.SCHED_OTHER, os.sched_param(0))]
    assert scheduling[mine()][0] == os.SCHED_OTHER
