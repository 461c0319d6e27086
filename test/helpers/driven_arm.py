"""A device that says what a test wants, and a robot that is driven by it."""

from vipa.commanders.commander import CommanderInput
from vipa.commanders.teleop.commander import Teleop
from vipa.commanders.teleop.device import DeviceInput
from vipa.motion.motion import Motion
from vipa.robot.description import load_robot
from vipa_cli.bench.ideal_robot import IdealRobot, drive

EVERY = 2  # ticks of motion to a step of the commander: 50 Hz


class Puppet:
    """A device that says `given`; its events and steps once."""

    name, keys = "puppet", ()

    def __init__(self, deadman=True):
        self.deadman, self.given = deadman, DeviceInput()

    def open(self, changed):
        pass

    def read(self, now):
        given, keep = self.given, {n: a for n, a in self.given.arms.items() if a.steps is None}
        self.given = DeviceInput(keep, (), self.given.fault)
        return given

    def close(self):
        pass


class Driven:
    """Motion with an ideal robot, driven by a puppet. chunks: all that were sent; answers: what motion said of each."""

    def __init__(self, robot="fr3_single", deadman=True, settings=None, fixtures=()):
        self.robot = load_robot(robot)
        self.motion, self.cell = Motion(self.robot, fixtures), IdealRobot(self.robot)
        self.device = Puppet(deadman)
        self.teleop = Teleop(self.robot, self.device, settings, clock=lambda: self.cell.time)
        self.motion.set_authority("teleop")
        drive(self.motion, self.cell, 0.3)
        self.chunks, self._count = [], 0

    def _source(self, time, now_ns):
        self._count += 1
        if self._count % EVERY:
            return []
        chunk = self.teleop.step(CommanderInput(now_ns, self.motion.groups(), self.motion.status(now_ns, time)))
        self.chunks += [chunk] if chunk else []
        return [chunk] if chunk else []

    def run(self, seconds, arms=None, events=(), fault=""):
        """`seconds` of the device saying so; gives motion's log."""
        self.device.given = DeviceInput(arms or {}, tuple(events), fault)
        return drive(self.motion, self.cell, seconds, self._source)

    def tool(self, arm="arm"):
        return self.motion.groups()[arm].tool_pose
