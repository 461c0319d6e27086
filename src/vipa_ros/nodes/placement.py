"""Node `placement`: leads a person through the reset of a real scene before a trial of a set.

Publishes the live picture of each camera with the required placement over it, `/vipa/placement/<camera>` (sensor_msgs/Image, 2 Hz), and keeps the
newest as `<out>/placement-<camera>.png`. Enter accepts: then cameras and arm are checked against the set's reference, which the first
trial takes. What is not as it was is said; Enter looks again, `r` takes a new reference, `s` goes on all the same. The console asks the
same by services, `/vipa/placement/accept`, `new_reference`, `in_spite` (std_srvs/Trigger), and reads `/vipa/placement_status`
(diagnostic_msgs/DiagnosticStatus, latched; level WARN and a value a fault: something is not as it was).

Parameters: robot, task; seed, variant of the scene card; out (folder of the trial), reference (folder of the set's reference pictures);
at_once (bool: accepts the first pictures, asks nobody);
keyed (bool: a person is at this terminal). Leaves `<out>/placement.json`: drift of each camera, what was said, how it ended. Exit status:
0 go on, 1 at_once and something is not as it was.
"""

import dataclasses
import queue
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_srvs.srv import Trigger

from vipa import files
from vipa.calibration.reference import Reference, encoded
from vipa.errors import VipaError
from vipa.evaluation.placement import overlay
from vipa.recording import topics
from vipa.recording.topic_names import PLACEMENT_STATUS, placement_service, placement_topic
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa.terminal import keyboard
from vipa_ros.common import convert, node
from vipa_ros.common.images import pixels
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import CAMERA_READER, PROFILES
from vipa_sim.placement_view import placements

KEYS = {"accept": "\n", "new_reference": "r", "in_spite": "s"}
OVERLAY_PERIOD_S = 0.5  # wall seconds between overlays
SILENCE_NAMED_S = 10.0  # wall seconds after which what is not heard is named


class PlacementNode(Node):
    """Single thread; keys come on another and are queued."""

    def __init__(self):
        super().__init__("placement")
        robot, self.task = load_robot(node.parameter(self, "robot", str)), load_task(node.parameter(self, "task", str))
        seed, variant = node.parameter(self, "seed", 0), node.parameter(self, "variant", "")
        self.out, self.at_once = Path(node.parameter(self, "out", str)), node.parameter(self, "at_once", False)
        self.reference = Reference(Path(node.parameter(self, "reference", str)))
        self.out.mkdir(parents=True, exist_ok=True)
        self.wanted = placements(robot, self.task, seed, variant)
        self.pictures, self.intrinsics, self.joints = {}, {}, {}
        self.keys: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.status = self.create_publisher(DiagnosticStatus, PLACEMENT_STATUS, PROFILES["latched"])
        for ask, key in KEYS.items():
            self.create_service(Trigger, placement_service(ask), partial(self.on_ask, key))
        self.names = {j for g in robot.groups for j in g.joints}
        listen = Listener(self).on
        listen(JointState, topics.JOINT_STATES, self.on_joints, PROFILES["stream"])
        self.publishers_ = {}
        for camera in self.task.cameras:
            names = topics.camera_topics(camera)
            listen(Image, names["color"], lambda msg, c=camera: self.on_picture(c, msg), CAMERA_READER)
            listen(CameraInfo, names["color_info"], lambda msg, c=camera: self.on_info(c, msg), CAMERA_READER)
            self.publishers_[camera] = self.create_publisher(Image, placement_topic(camera), PROFILES["latched"])
        self.say(DiagnosticStatus.OK, "waits for the cameras and the arm")
        if keyboard.is_terminal():
            keyboard.listen(self.keys.put)
        elif node.parameter(self, "keyed", True) and not self.at_once:
            raise VipaError("placement: no terminal to ask at; allowed: a terminal, or at_once")

    def on_ask(self, key, request, response):
        response.success = not self.missing()
        response.message = f"nothing is heard of {self.missing()}" if self.missing() else "looking"
        if response.success:
            self.keys.put(key)
        return response

    def say(self, level, message, faults=()):
        values = [KeyValue(key=str(i), value=fault) for i, fault in enumerate(faults)]
        self.status.publish(DiagnosticStatus(level=level, name="placement", message=message, values=values))

    def on_joints(self, msg):
        state = convert.joint_state(msg)
        self.joints |= {n: float(p) for n, p in zip(state.names, state.positions) if n in self.names}

    def on_picture(self, camera, msg):
        self.pictures[camera] = pixels(msg)

    def on_info(self, camera, msg):
        self.intrinsics[camera] = np.array(msg.k).reshape(3, 3)

    def missing(self) -> str:
        """What has not been heard of yet, "" if all has."""
        lacking = [f"camera {c}" for c in self.task.cameras if c not in self.pictures or c not in self.intrinsics]
        return ", ".join([*lacking, *(["the arm"] if not self.joints else [])])

    def show(self):
        """Publishes and keeps the overlays."""
        for camera, live in self.pictures.items():
            shown = overlay(live, self.wanted[camera])
            stamp = self.get_clock().now().to_msg()
            self.publishers_[camera].publish(convert.image_msg(shown, stamp, camera))
            files.write_bytes(self.out / f"placement-{camera}.png", encoded(shown, ".png"))

    def run(self):
        """Until the person, or `at_once`, has accepted: the exit status."""
        began, due = time.monotonic(), 0.0
        while self.missing() and rclpy.ok():
            rclpy.spin_once(self, timeout_sec=0.1)
            if time.monotonic() - began > SILENCE_NAMED_S:
                print(f"nothing is heard of {self.missing()}", flush=True)
                self.say(DiagnosticStatus.ERROR, f"nothing is heard of {self.missing()}")
                if self.at_once:
                    raise VipaError(f"placement: nothing is heard of {self.missing()} within {SILENCE_NAMED_S:g} s")
                began = time.monotonic()
        print(
            f"put the things where they are green: {self.out}/placement-*.png, or /vipa/placement/<camera>; then Enter",
            flush=True,
        )
        self.say(DiagnosticStatus.OK, "put the things where they are green, then accept")
        faults: list[str] = []
        while rclpy.ok():
            rclpy.spin_once(self, timeout_sec=0.05)
            if time.monotonic() >= due:
                self.show()
                due = time.monotonic() + OVERLAY_PERIOD_S
            key = "\n" if self.at_once else self.keys.get_nowait() if not self.keys.empty() else ""
            if key in ("\n", "\r"):
                drifts, faults = self.look()
                if not faults or self.at_once:
                    return self.end(drifts, faults, "accepted" if not faults else "refused")
                self.say(DiagnosticStatus.WARN, "not as in the reference", faults)
                print(
                    "\n".join(faults),
                    "Enter: look again; r: take a new reference; s: go on all the same",
                    sep="\n",
                    flush=True,
                )
            elif key == "r" and faults:
                self.reference.take(self.pictures, self.joints)
                return self.end({}, faults, "new reference")
            elif key == "s" and faults:
                return self.end({}, faults, "in spite of it")
        return 1

    def look(self):
        """Drift of each camera and what is not as in the reference, which is taken if there is none."""
        if not self.reference.exists:
            self.reference.take(self.pictures, self.joints)
            print("reference pictures taken", flush=True)
            return {}, []
        return self.reference.check(self.pictures, self.intrinsics, self.joints)

    def end(self, drifts, faults, how: str) -> int:
        told = {"drift": {c: dataclasses.asdict(d) for c, d in drifts.items()}, "faults": faults, "ended": how}
        files.write_json(self.out / "placement.json", told)
        moved = ", ".join(f"{c} {d.pixels:.1f} px, {d.degrees:.2f}°" for c, d in drifts.items())
        print(f"placement {how}{f'; drift: {moved}' if moved else ''}", flush=True)
        return 1 if how == "refused" else 0


def main():
    status = 1

    def spin(placement):
        nonlocal status
        status = placement.run()

    node.run(PlacementNode, spin)
    sys.exit(status)


if __name__ == "__main__":
    main()
