"""Node `teleop`: a person drives by a device, records demonstrations, and takes over from other commanders.

Parameters: robot, task (names or paths); device, options, pedal (of vipa.commanders.teleop.devices); frame, lock (axes, comma between),
scale, step, tool_speed (of vipa.commanders.teleop.settings); session (bool): it begins demonstrations, else it only drives and takes
over; commander (who drives when a demonstration begins), runs (folder), operator, cell, seed, variant, time_limit: of these.
"""

import sys
import time
from pathlib import Path

import numpy as np
import rclpy
from rich.console import Console
from rich.live import Live

from vipa.commanders.teleop.commander import Teleop
from vipa.commanders.teleop.device import SESSION_EVENTS
from vipa.commanders.teleop.devices import terminal
from vipa.commanders.teleop.settings import Settings
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa.terminal import keyboard, teleop_screen
from vipa.terminal.checklist import render as render_checklist
from vipa_ros.common import convert, node
from vipa_ros.teleop.cameras import Cameras
from vipa_ros.teleop.session import Plan, Session
from vipa_ros.teleop.teleop_node import TeleopNode, device_named

REFRESH_PERIOD_S = 0.2  # wall seconds
MODES = ("holding", "executing", "braking", "STOPPED")
FIND_TIMEOUT_S = 30.0  # wall seconds for motion to appear before it says so


def make(self):
    """The robot and its commander, from the node's parameters."""
    robot = load_robot(node.parameter(self, "robot", str))
    device = device_named(
        node.parameter(self, "device", ""), node.parameter(self, "options", ""), node.parameter(self, "pedal", "")
    )
    default = Settings()
    settings = Settings.of(
        frame=node.parameter(self, "frame", default.frame),
        lock=[axis for axis in node.parameter(self, "lock", "").split(",") if axis],
        scale=node.parameter(self, "scale", default.scale),
        step=node.parameter(self, "step", default.step),
        speed=node.parameter(self, "tool_speed", default.speed),
    )
    return robot, Teleop(robot, device, settings)


class TeleopSession(TeleopNode):
    """The node with its session and its screen. Single thread; devices may have their own."""

    def __init__(self):
        super().__init__("teleop", make)
        self.robot, self.last, self.said = self.reader.robot, None, ""
        plan = self.plan() if node.parameter(self, "session", False) else None
        self.cameras = Cameras(self, self.robot, plan.task.cameras, plan.cell == "sim") if plan else None
        self.session = Session(self, plan, self.say_wish, self.cameras)
        self.asked = 0.0  # wall time of the last try to take the robot
        self.keys = self.commander.device.keys + terminal.SESSION_KEYS
        self.typed = None  # keys of a terminal beside another device
        if self.commander.device.name != "terminal" and keyboard.is_terminal():
            self.typed = terminal.Terminal()
            self.typed.open(lambda: None)

    def plan(self) -> Plan:
        task = node.parameter(self, "task", str)
        return Plan(
            task, load_task(task), self.reader.robot, node.parameter(self, "cell", "sim"), node.parameter(self, "commander", "teleop"),
            Path(node.parameter(self, "runs", "runs")), self.commander.device.name, node.parameter(self, "operator", "operator"),
            node.parameter(self, "seed", 0), node.parameter(self, "variant", ""), node.parameter(self, "time_limit", 600.0),
        )  # fmt: skip

    def acted(self):
        """Session's wishes, from the device and from the terminal beside it; the robot, while nobody else has it."""
        events, self.commander.events = self.commander.events, []
        if self.typed:
            typed = self.typed.read(time.monotonic()).events
            events += [event for event in typed if event in SESSION_EVENTS]
            self.commander.said += [event for event in typed if event not in SESSION_EVENTS]
        for event in events:
            self.session.wish(event)
        if (
            (
                self.session.plan
                and not self.session.running
                and not self.session.busy
                and self.session.handle is None
                and not self.may_move()
            )
            and time.monotonic() - self.asked > 1.0
            and self.status is not None
            and not self.status.authority
        ):
            self.asked = time.monotonic()
            self.session.wish("drive")

    def say_wish(self, done, words):
        self.last = (done, words)
        print(words, file=sys.stderr if not done else sys.stdout, flush=True) if not self.live else None

    live = None

    def run(self):
        """Until the person quits, Ctrl-C, or the end of the graph."""
        console = Console()
        executor = rclpy.executors.SingleThreadedExecutor()
        executor.add_node(self)
        shown = 0.0
        with Live(console=console, auto_refresh=False) if console.is_terminal else _Plain() as self.live:
            while rclpy.ok() and not self.session.over:
                executor.spin_once(timeout_sec=0.05)
                if self.live and time.monotonic() - shown > REFRESH_PERIOD_S:
                    shown = time.monotonic()
                    self.live.update(teleop_screen.render(self.picture()), refresh=True)

    def picture(self):
        """What is known now, for the screen."""
        c, s, status = self.commander, self.session, self.status
        return teleop_screen.Picture(
            c.device.name, self.keys, c.selected, c.frame, c.gain, tuple(sorted(c.locked)), c.latched,
            mode=MODES[status.mode] if status else "", authority=status.authority if status else "",
            forces=self.forces(), gate=status.reasons if status else (), notes=tuple(filter(None, (*c.notes, self.why))),
            stops=tuple(s.requests.safety.stop_reasons) if s.requests.safety else (),
            driver=self.driver(), demonstrations=self.demonstrations(), episode=self.episode(), last=self.last,
        )  # fmt: skip

    def forces(self):
        """Arm → (newtons, cap) of those whose wrench is known."""
        if self.joints is None:
            return {}
        states = self.reader.groups(self.joints)
        return {
            g.name: (float(np.linalg.norm(w[:3])), g.force_cap)
            for g in self.robot.arms
            if (w := states[g.name].wrench) is not None
        }

    def driver(self):
        seen = self.session.intervention
        if not self.session.running or seen is None or not seen.intervention:
            return ""
        return f"{seen.driver or 'nobody: paused'} instead of {seen.commander} (intervention {seen.count})"

    def demonstrations(self):
        if self.session.plan is None:
            return ""
        counted = ", ".join(f"{count} {verdict}" for verdict, count in self.session.done.items() if verdict and count)
        return f"{counted or 'none yet'}; next: seed {self.session.plan.seed}"

    def episode(self):
        if not self.session.running:
            return None
        e = self.session.requests.episode
        phase, rows = convert.checklist(e)
        return render_checklist(e.instruction, phase, e.elapsed, e.time_limit, rows)


class _Plain:
    """No terminal to draw on."""

    def __enter__(self):
        return None

    def __exit__(self, *error):
        pass


def main():
    node.run(TeleopSession, lambda teleop: teleop.run())


if __name__ == "__main__":
    main()
