"""The stand-in does what MoveIt Servo was measured to do: what follows from it says something about Servo."""

import numpy as np
import pytest

from helpers.servo_stand_in import POSE, StandIn
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics

STEP_NS = 10_000_000


class Robot:
    """Does what Servo puts out, 10 ms a cycle, and tells it its joints."""

    def __init__(self, started=True):
        self.arm = Kinematics(load_robot("fr3_single")).group("arm")
        self.servo, self.now_ns, self.q = StandIn(self.arm), 10**9, np.array(self.arm.spec.home)
        self.outputs, self.codes = [], []
        if started:
            self.servo.joint_state(self.q + 1e-6)
            self.servo.switch_command_type(POSE)
            self.run(2)

    def target(self, up=0.0, quaternion=None):
        pose = self.arm.forward(np.array(self.arm.spec.home))
        pose[2] += up
        if quaternion is not None:
            pose[3:] = quaternion
        return pose

    def run(self, cycles, pose=None, late=0.0, frame="fr3_link0"):
        """`late`: seconds that the stamps lie behind."""
        start = self.arm.forward(self.q)[2]
        for _ in range(cycles):
            self.servo.joint_state(self.q)
            if pose is not None:
                self.servo.pose_target(self.now_ns - round(late * 1e9), frame, pose)
            status, trajectory = self.servo.cycle(self.now_ns)
            self.now_ns += STEP_NS
            if status is not None:
                self.codes.append(status[0])
            if trajectory is not None:
                self.outputs.append(trajectory)
                self.q = trajectory.positions[-1]
        return self.arm.forward(self.q)[2] - start


def test_it_follows_a_stamped_pose():
    robot = Robot()
    assert robot.run(100, robot.target(up=0.05)) == pytest.approx(0.05, abs=1e-3)
    assert set(robot.codes) == {0}


@pytest.mark.parametrize("late", [0.15, 1.0, 1e9])
def test_old_stamps_give_no_motion_and_no_warning(late):
    robot = Robot()
    assert robot.run(100, robot.target(up=0.05), late=late) == pytest.approx(0.0, abs=1e-6)
    assert set(robot.codes) == {0}


def test_a_stamp_in_the_future_moves_it_on_after_the_stream_has_ended():
    robot = Robot()
    robot.run(1, robot.target(up=0.3), late=-1.0)
    assert robot.run(50) > 0.1  # half a second later, from one message


def test_a_zero_quaternion_is_refused_once_and_then_moved_on():
    robot = Robot()
    moved = robot.run(100, robot.target(up=0.05, quaternion=np.zeros(4)))
    assert robot.codes.count(-1) == 1 and moved > 0.04


def test_an_unknown_frame_is_invalid():
    robot = Robot()
    assert robot.run(20, robot.target(up=0.05), frame="nowhere") == pytest.approx(0.0, abs=1e-9)
    assert set(robot.codes[-18:]) == {-1}


def test_input_is_dropped_until_a_type_is_set():
    robot = Robot()
    robot.servo.type = None
    assert robot.run(50, robot.target(up=0.05)) == pytest.approx(0.0, abs=1e-9) and set(robot.codes) == {0}


def test_it_does_not_start_while_joint_states_do_not_change():
    robot = Robot(started=False)
    robot.servo.switch_command_type(POSE)
    robot.run(200, robot.target(up=0.05))
    assert not robot.servo.started and robot.codes == []
    robot.servo.joint_state(robot.q + 1e-9)
    robot.run(20, robot.target(up=0.05))
    assert robot.servo.started and robot.outputs


def test_paused_it_checks_nothing_and_says_nothing():
    robot = Robot()
    robot.run(20, robot.target(up=0.05))
    robot.servo.pause_servo(True)
    before = len(robot.codes)
    assert robot.run(20, robot.target(up=0.05)) == 0.0
    assert not robot.servo.checking and len(robot.codes) == before


def test_halted_it_only_stops_publishing_and_its_status_persists():
    robot = Robot()
    robot.run(30, robot.target(up=0.2))
    robot.servo.scale = 0.0
    count = len(robot.outputs)
    robot.run(20, robot.target(up=0.2))
    assert len(robot.outputs) == count
    robot.run(200)
    assert robot.codes[-1] == 5


def test_near_a_singularity_its_status_flickers():
    robot = Robot()
    arm = robot.arm
    high = arm.forward(np.array([0.0, -0.1, 0.0, -0.35, 0.0, 1.9, 0.785]))
    robot.run(400, high)
    changes = np.count_nonzero(np.diff(robot.codes))
    assert {1, 3} <= set(robot.codes) and changes > 20
