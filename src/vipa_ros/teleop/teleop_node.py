"""The shell around the commander `teleop`: it steps as soon as the device says something, on wall time."""

import time
from collections.abc import Callable

from rclpy.node import Node

from vipa.commanders.teleop.commander import Teleop
from vipa.errors import VipaError
from vipa.motion.chunk import Mode
from vipa.robot.description import Robot
from vipa_ros.commanders.commander_node import CommanderNode
from vipa_ros.common.node import steady_clock
from vipa_ros.teleop.device_topics import subscribe

READ_PERIOD_S = 0.01  # wall seconds between two readings of a device that says nothing new
MIN_STEP_PERIOD_S = 0.004  # wall seconds between two steps, however fast a device is


class TeleopNode(CommanderNode):
    """Steps the commander while it holds the authority, in an episode or without one.

    Commands wait for no clock: a reading is taken when the device has something new, and every READ_PERIOD_S. Without the authority, or
    with joint states that are late, the device is still read, for what concerns the session, and nothing moves.
    """

    def __init__(self, name: str, make: Callable[[Node], tuple[Robot, Teleop]]):
        super().__init__(name, lambda node: (*make(node), None))
        self.timer.cancel()
        self.why = ""  # it does not drive
        self.stepped = self.reported = 0.0
        self.awake = self.create_guard_condition(self.wake)
        subscribe(self, self.commander.device)
        self.commander.device.open(self.awake.trigger)
        self.create_timer(READ_PERIOD_S, self.step, clock=steady_clock())

    def on_status(self, msg):
        super().on_status(msg)
        if self.status.mode is Mode.STOPPED:
            self.commander.latched = False

    def first_step(self):
        """A person begins when he likes."""

    def begin_episode(self, start):
        self.commander.reset(start)

    def may_move(self) -> bool:
        """It holds the authority, whoever runs an episode."""
        return self.status is not None and self.status.authority == self.commander.commander_id

    def wake(self):
        """The device has something new."""
        if time.monotonic() - self.stepped > MIN_STEP_PERIOD_S:
            self.step()

    def step(self):
        """One reading, and what follows from it."""
        self.stepped = started = time.monotonic()
        seen = self.see() if self.may_move() else None
        if seen is None:
            self.commander.listen()
        self.send(self.commander.step(seen) if seen else None, started)
        if not self.may_move():
            self.why = "somebody else has the robot" if self.status and self.status.authority else "it has no authority"
        self.acted()

    def acted(self):
        """Something was read: for who runs the session."""

    def see(self):
        """What it acts on: joint states and motion's status; None, and `why`, if they are too old. Nobody's clock is waited for."""
        now = max(self.get_clock().now().nanoseconds, self.joints.stamp_ns if self.joints else 0)
        self.why = self.late(now)
        return None if self.why else self.seen(now)

    def send(self, chunk, started):
        """Publishes what there is to say; its status at most 20 times a second, since a person is often silent."""
        if chunk is not None or time.monotonic() - self.reported > 0.05:
            self.reported = time.monotonic()
            super().send(chunk, started)

    def close(self):
        self.commander.device.close()


def device_named(name: str, options: str, pedal: str = ""):
    """The device, made. Raises VipaError."""
    from vipa.commanders.teleop import devices

    if not name:
        raise VipaError(f"teleop: parameter 'device' must be set; allowed: {', '.join(devices.names())}")
    return devices.make(name, options, pedal)
