"""The part of franky's API that the driver uses, as franky 2.0.0's sources have it: motions of a thread of its own, in which a velocity's
time runs out; errors that end a motion and are raised by whoever joins it; a new one refused while the robot is in error."""

from types import SimpleNamespace

import numpy as np


class FrankyError(Exception):
    """franky.Exception"""


class NetworkException(FrankyError):
    pass


class ControlException(FrankyError):
    pass


class CommandException(FrankyError):
    pass


class InvalidMotionTypeException(Exception):
    pass


class Errors:
    cartesian_reflex = communication_constraints_violation = False


class Future:
    def __init__(self):
        self.result = None

    def wait(self, timeout):
        return self.result is not None

    def get(self):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class StandIn:
    """The module. The test moves time on: `pass_time`. robot: the newest that was made; made: called with each."""

    Exception, NetworkException, ControlException, Errors = FrankyError, NetworkException, ControlException, Errors
    CommandException, InvalidMotionTypeException = CommandException, InvalidMotionTypeException
    RealtimeConfig = SimpleNamespace(Enforce="enforce", Ignore="ignore")

    def __init__(self, hand_width=0.08):
        self.robot, self.refused, self.hand_width, self.max_width = None, None, hand_width, 0.08
        self.goals, self.made = [], lambda robot: None

    def Duration(self, milliseconds):  # noqa: N802
        return milliseconds / 1000

    def JointVelocityWaypoint(self, target, minimum_time=None, hold_target_duration=0, max_total_duration=None):  # noqa: N802
        return SimpleNamespace(target=np.array(target), hold=max_total_duration or hold_target_duration)

    def JointVelocityWaypointMotion(self, waypoints):  # noqa: N802
        return waypoints

    def JointVelocityStopMotion(self):  # noqa: N802
        return [SimpleNamespace(target=np.zeros(7), hold=0)]

    def Robot(self, address, realtime_config):  # noqa: N802
        if self.refused:
            raise self.refused
        self.robot = Robot(self, address, realtime_config)
        self.made(self.robot)
        return self.robot

    def Gripper(self, address):  # noqa: N802
        if self.refused:
            raise self.refused
        return Gripper(self)


class Robot:
    def __init__(self, api, address, realtime):
        self.api, self.address, self.realtime = api, address, realtime
        self.q, self.dq, self.mode, self.errors = np.zeros(7), np.zeros(7), 1, Errors()
        self.motion, self.elapsed, self.raised, self.recovered, self.thresholds = None, 0.0, None, 0, None
        self.wrench, self.pose, self.lost = np.zeros(6), np.eye(4), None

    def set_collision_behavior(self, torques, forces):
        self.thresholds = torques, forces

    def set_k(self, matrix):
        assert np.array_equal(np.reshape(matrix, (4, 4)), np.eye(4))

    @property
    def state(self):
        if self.lost:
            raise self.lost
        return SimpleNamespace(
            q=self.q, dq=self.dq, tau_J=np.zeros(7), q_d=self.q, K_F_ext_hat_K=self.wrench, O_T_EE=SimpleNamespace(matrix=self.pose),
            robot_mode=self.mode, current_errors=self.errors, control_command_success_rate=1.0,
        )  # fmt: skip

    @property
    def has_errors(self):
        return any(getattr(self.errors, name) for name in dir(self.errors) if not name.startswith("_"))

    @property
    def is_in_control(self):
        return self.motion is not None

    def move(self, motion, asynchronous):
        assert asynchronous
        if self.raised:
            self.join_motion(0)
        if self.mode in (4, 5):
            raise CommandException("libfranka: Move command rejected: command not possible in the current mode")
        self.motion, self.elapsed, self.mode = motion, 0.0, 2

    def join_motion(self, timeout):
        raised, self.raised = self.raised, None
        if raised:
            raise raised
        return True

    def recover_from_errors(self):
        self.recovered += 1
        if self.mode == 5:
            raise CommandException("libfranka: Automatic error recovery command rejected: safety function")
        self.mode, self.errors = 1, Errors()
        return True

    # what happens to it

    def pass_time(self, seconds):
        """Its own thread: the first waypoint for as long as it holds, then to the next; at rest a motion is over."""
        for _ in range(round(seconds * 1000)):
            if self.motion is None:
                return
            self.elapsed += 0.001
            over = self.elapsed > self.motion[0].hold
            self.dq = np.zeros(7) if over else self.motion[0].target
            self.q = self.q + 0.001 * self.dq
            if over:
                self.motion, self.mode = None, 1

    def fall(self, error, mode=4):
        """A reflex."""
        setattr(self.errors, error, True)
        self.mode, self.dq = mode, np.zeros(7)
        if self.motion is not None:
            self.motion, self.raised = (
                None,
                ControlException(f'libfranka: Move command aborted: motion aborted by reflex! ["{error}"]'),
            )

    def cut(self):
        """Its cable."""
        self.lost = NetworkException("libfranka: UDP receive: Timeout")
        if self.motion is not None:
            self.motion, self.raised = None, self.lost


class Gripper:
    def __init__(self, api):
        self.api = api

    @property
    def state(self):
        return SimpleNamespace(width=self.api.hand_width, max_width=self.api.max_width)

    def move_async(self, width, speed):
        return self._goal("move", width)

    def grasp_async(self, width, speed, force, epsilon_inner, epsilon_outer):
        return self._goal("grasp", width, force)

    def _goal(self, *words):
        future = Future()
        self.api.goals.append((words, future))
        return future
