"""Node `preflight`: listens to a running cell and judges it: cameras, joints, wrench, frames, clocks, motion, driver, controllers.

Parameters: robot (name or path); cameras (names with commas; empty: all of the robot file); driver (of a real robot; empty: a
simulated one); seconds (of wall time that it listens); moveit (bool: MoveIt's nodes are wanted); estop (bool: tests the emergency stop);
dry_run (bool: moves to places of the workspace at a tenth of the speed). Prints what it finds as one JSON line, last. Exit status 0,
whatever it finds.
"""

import dataclasses
import json
import sys

from rclpy.node import Node

from vipa.drivers.driver import OWN
from vipa.errors import VipaError, unknown
from vipa.preflight.cell_checks import cell_findings, moveit
from vipa.preflight.finding import Finding
from vipa.robot.description import load_robot
from vipa_ros.common import node
from vipa_ros.preflight import host
from vipa_ros.preflight.acts import Acts
from vipa_ros.preflight.listening import Ear


class Preflight(Node):
    """Single thread."""

    def __init__(self):
        super().__init__("preflight")
        self.robot = load_robot(node.parameter(self, "robot", str))
        names = [c.name for c in self.robot.cameras]
        given = [name for name in node.parameter(self, "cameras", "").split(",") if name]
        if strangers := [name for name in given if name not in names and name != "none"]:
            raise unknown(f"camera of robot {self.robot.name}", strangers[0], names)
        self.cameras = [] if given == ["none"] else given or names
        self.driver = node.parameter(self, "driver", "")
        self.seconds = node.parameter(self, "seconds", 3.0)
        self.moveit = node.parameter(self, "moveit", False)
        self.wants = {"estop": node.parameter(self, "estop", False), "dry_run": node.parameter(self, "dry_run", False)}
        self.ear = Ear(self, self.robot, self.cameras, self.driver not in ("", *OWN), self.moveit)
        self.acts = Acts(self, self.robot, self.ear.services) if any(self.wants.values()) else None

    async def look(self) -> list[Finding]:
        heard = await self.ear.listen(self.seconds)
        found = cell_findings(self.robot, self.cameras, heard, self.driver)
        if self.moveit:
            heard.servo_version = host.version_of("moveit_servo")
            found.append(moveit(self.robot, heard))
        if self.acts is not None and self.wants["estop"]:
            found.append(await self.acts.estop())
        if self.acts is not None and self.wants["dry_run"] and all(f.ok for f in found):
            found.append(await self.acts.dry_run(lambda line: print(line, file=sys.stderr, flush=True)))
        return found

    def close(self):
        """On the way out, also of an interrupted dry run."""
        if self.acts is not None:
            self.acts.moves.leave()


def spin(preflight: Preflight) -> None:
    """Until it has looked."""
    if (task := node.play(preflight, preflight.look())).done():
        try:
            findings = task.result()
        except VipaError as error:
            findings = [Finding("cell", "error", str(error), "vipa cell")]
        print(json.dumps([dataclasses.asdict(finding) for finding in findings]), flush=True)


def main():
    node.run(Preflight, spin)


if __name__ == "__main__":
    main()
