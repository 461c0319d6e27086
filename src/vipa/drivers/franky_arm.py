"""A Franka arm through franky (libfranka's protocol): what it says of itself, velocities in leases, braking, recovery.

Every velocity is a motion of franky's own real-time thread: for LEASE_S at most, then that thread brakes to rest, whatever has become
of this process's Python. A process that ends or is frozen sends nothing, and the robot stops itself (a reflex).
"""

import contextlib
import functools
import os
import re
import threading
import time
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from vipa.drivers import franka
from vipa.errors import VipaError
from vipa.robot.description import Franky

LEASE_S = 0.06  # seconds that a velocity holds at most
HORIZON_MS = 10  # milliseconds in which a velocity is reached, without a kink
TOOL_M, TOOL_RAD = (
    0.002,
    0.01,
)  # metres, radians by which the robot's end effector may lie beside the robot file's tool frame
RECOVERED_S = 1.0  # seconds that a recovery may take to show
REST_S = 1.0  # seconds that braking may take
IDENTITY = tuple(np.eye(4).ravel())
PREEMPTED = re.compile("preempted", re.IGNORECASE)


@functools.cache
def library() -> ModuleType:
    """The module franky. Raises VipaError if it is not installed."""
    try:
        import franky
    except ImportError as error:
        raise VipaError(f"driver 'franky' wants the package franky-control ({error}); docs/robots/franky.md") from None
    return franky


@dataclass(frozen=True)
class Reading:
    """positions, velocities, efforts, desired (7,) rad, rad/s, Nm, rad; wrench (6,) on the tool in the tool frame; tool (4, 4) in the
    base; mode, errors: as `vipa.drivers.franka` has them; success: share of commands of the last 0.1 s that came in time."""

    positions: np.ndarray
    velocities: np.ndarray
    efforts: np.ndarray
    desired: np.ndarray
    wrench: np.ndarray
    tool: np.ndarray
    mode: int
    errors: tuple[str, ...]
    success: float


class FrankyArm:
    """One arm. fault: '' or what a person must know before it is recovered. moving: franky drives it.

    Raises VipaError if the arm cannot be reached or has another tool frame than the robot file's. Not for several threads, but for
    `recover`, which may run beside `read`.

    Args:
        settings: of the robot file.
        api: the module franky, or what stands for it.
    """

    def __init__(self, settings: Franky, api: ModuleType | None = None):
        self.settings, self.api = settings, api or library()
        # the last: what franky's own thread throws of a motion that cannot be planned
        self.raised = (self.api.Exception, self.api.InvalidMotionTypeException, RuntimeError)
        self.fault, self.moving, self._robot = "", False, None
        self._connect()

    def _connect(self) -> None:
        s, api = self.settings, self.api
        before = _scheduling()
        config = api.RealtimeConfig.Enforce if s.realtime else api.RealtimeConfig.Ignore
        try:
            self._robot = api.Robot(s.address, realtime_config=config)
            self._robot.set_collision_behavior(list(s.torque_thresholds), list(s.force_thresholds))
            self._robot.set_k(list(IDENTITY))  # the wrench is told in the end effector's frame
        except self.raised as error:
            raise VipaError(f"Franka arm at {s.address}: {error}") from None
        finally:
            # libfranka gives whoever connects the highest real-time priority there is, and all that he starts; it is for its own thread
            self._control = _scheduling()
            os.sched_setscheduler(0, *before)

    def read(self) -> Reading | None:
        """The newest state; None where the arm is not heard, which is a fault. Raises ValueError for numbers that are none."""
        self._poll()
        if self._robot is None:
            return None
        try:
            state = self._robot.state
        except self.raised as error:
            self._lose(error)
            return None
        errors = tuple(name for name in error_names(self.api) if getattr(state.current_errors, name))
        reading = Reading(
            *(np.array(value, float) for value in (state.q, state.dq, state.tau_J, state.q_d)),
            -np.array(state.K_F_ext_hat_K, float),  # libfranka counts what the robot does to its surroundings
            np.array(state.O_T_EE.matrix, float),
            int(state.robot_mode),
            errors,
            float(state.control_command_success_rate),
        )
        for name in ("positions", "velocities", "efforts", "desired", "wrench"):
            if not np.isfinite(getattr(reading, name)).all():
                raise ValueError(f"{name} of the arm are not finite")
        return reading

    def check_tool(self, tool: np.ndarray) -> None:
        """Raises VipaError unless the robot's end effector is where the robot file's tool frame (4, 4) in the base is at the same joints."""
        reading = self.read()
        if reading is None:
            raise VipaError(f"Franka arm at {self.settings.address}: {self.fault}")
        off = np.linalg.inv(tool) @ reading.tool
        metres = float(np.linalg.norm(off[:3, 3]))
        radians = float(np.arccos(np.clip((np.trace(off[:3, :3]) - 1) / 2, -1, 1)))
        if metres > TOOL_M or radians > TOOL_RAD:
            raise VipaError(
                f"Franka arm at {self.settings.address}: its end effector is {1e3 * metres:.1f} mm and {radians:.3f} rad beside the "
                f"robot file's tool frame; allowed: {1e3 * TOOL_M:g} mm, {TOOL_RAD:g} rad: set the end effector in Desk, or correct the URDF"
            )

    def give(self, velocity: np.ndarray) -> None:
        """Moves the joints at `velocity` (7,) rad/s from now on, for LEASE_S at most."""
        api, lease = self.api, self.api.Duration(round(1000 * LEASE_S))
        steps = [
            api.JointVelocityWaypoint(
                np.asarray(velocity, float),
                minimum_time=api.Duration(HORIZON_MS),
                hold_target_duration=lease,
                max_total_duration=lease,
            ),
            api.JointVelocityWaypoint(np.zeros(7)),
        ]
        self._move(api.JointVelocityWaypointMotion(steps))

    def brake(self) -> None:
        """To rest, at the arm's own limits; then it is its own controller's."""
        if self.moving and self._robot is not None and self._robot.is_in_control:
            self._move(self.api.JointVelocityStopMotion())

    def rest(self) -> None:
        """Waits until the arm has braked, REST_S at most."""
        if self.moving and self._robot is not None:
            with contextlib.suppress(*self.raised):
                self._robot.join_motion(REST_S)

    def recover(self) -> str:
        """Leaves a fault: reaches the arm again if it was lost, and has it recover from its errors. '' or why not."""
        try:
            if self._robot is None:
                self._connect()
            self._robot.recover_from_errors()
            if not self._free_of_errors():
                return "the robot still has errors: look at Desk"
        except VipaError as error:
            return str(error)
        except self.raised as error:
            return f"error recovery: {error}"
        self.fault = ""
        return ""

    def _free_of_errors(self) -> bool:
        """Within RECOVERED_S; the states that come first may be of before."""
        deadline = time.monotonic() + RECOVERED_S
        while self._robot.has_errors and time.monotonic() < deadline:
            time.sleep(0.01)
        return not self._robot.has_errors

    def state(self, reading: Reading | None) -> franka.DriverState:
        """What node `robot` is told."""
        if reading is None:
            return franka.DriverState(False, False, "silent", self.fault or "nothing heard of the arm")
        made = franka.Franka()
        made.mode, made.errors = reading.mode, reading.errors
        state = made.state()
        if state.ready and self.fault:
            return franka.DriverState(False, False, state.mode, f"{self.fault}: look why, then recover")
        return state

    def _move(self, motion) -> None:
        try:
            if self._robot.is_in_control:
                self._robot.move(motion, asynchronous=True)
            else:
                self._begin(motion)
            self.moving = True
        except self.raised as error:
            self._fail(error)

    def _begin(self, motion) -> None:
        """Starts franky's thread with the priority that libfranka could take: a thread has that of who starts it."""
        raised: list[Exception] = []

        def begin():
            os.sched_setscheduler(0, *self._control)
            try:
                self._robot.move(motion, asynchronous=True)
            except self.raised as error:
                raised.append(error)

        starter = threading.Thread(target=begin)
        starter.start()
        starter.join()
        if raised:
            raise raised[0]

    def _poll(self) -> None:
        """Takes note of a motion that has ended."""
        if not self.moving or self._robot is None or self._robot.is_in_control:
            return
        self.moving = False
        try:
            self._robot.join_motion(0)
        except self.raised as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.moving = False
        if isinstance(error, self.api.NetworkException):
            self._lose(error)
        elif not PREEMPTED.search(str(error)):
            self.fault = str(error).strip().splitlines()[0]

    def _lose(self, error: Exception) -> None:
        self.moving, self._robot = False, None
        self.fault = f"connection lost ({error}): recover to reach it again"


@functools.cache
def error_names(api: ModuleType) -> tuple[str, ...]:
    """Names of libfranka's errors."""
    return tuple(name for name in dir(api.Errors) if not name.startswith("_"))


def _scheduling() -> tuple[int, os.sched_param]:
    """Policy and priority of this thread."""
    return os.sched_getscheduler(0), os.sched_getparam(0)
