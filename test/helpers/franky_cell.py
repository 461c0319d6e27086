"""A cell with driver `franky` on the simulated FR3 of vipa_sim.franky_simulator: real processes, real protocol."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from geometry_msgs.msg import WrenchStamped
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory
from vipa_msgs.msg import ActionChunk, MotionStatus, RobotStatus, SafetyStatus
from vipa_msgs.srv import ReArm, SetAuthority

from helpers.graph_world import World
from vipa import resources
from vipa.motion.chunk import GroupAction
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa.robot.trajectory_controller import TrajectoryController
from vipa_ros.bringup.process import ProcessSpec
from vipa_ros.common import convert
from vipa_ros.common.qos import PROFILES

TASK = "put_three_obj"


def robot_file(folder: Path, address: str) -> Path:
    """fr3_single with its arm at `address`."""
    text = (resources.root() / "config/robots/fr3_single.yaml").read_text(encoding="utf-8")
    line = "    controller: arm_controller\n"
    path = folder / "fr3_franky.yaml"
    path.write_text(
        text.replace(line, f"{line}    franky: {{address: {address}, realtime: false}}\n"), encoding="utf-8"
    )
    return path


class Simulator:
    """The process, at an address of its own."""

    def __init__(self):
        number = os.getpid()
        self.address = f"127.{number >> 14 & 127}.{number >> 7 & 127}.{1 + (number & 127)}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vipa_sim.franky_simulator", self.address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        assert "simulated FR3" in self.process.stdout.readline()

    def tell(self, words: str):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class FrankyCell:
    """Motion, planner, robot and franky over `simulator`. states, commands, wrenches: (seconds, …) since the start, as heard."""

    def __init__(self, folder: Path, simulator: Simulator, patch, nodes=("motion", "planner", "robot", "franky")):
        self.simulator, path = simulator, robot_file(folder, simulator.address)
        self.robot = load_robot(str(path))
        self.arm = self.robot.arms[0]
        common = {"robot": str(path), "use_sim_time": False}
        more = {
            "motion": {"task": TASK},
            "planner": {"task": TASK},
            "robot": {"driver": "franky", "cell": "real"},
            "franky": {},
        }
        self.world = World(folder, [ProcessSpec(n, n, common | more[n]) for n in nodes], patch)
        self.states, self.commands, self.wrenches, self.seq = [], [], [], 0
        node, stream, latched = self.world.node, PROFILES["stream"], PROFILES["latched"]
        node.create_subscription(JointState, topics.JOINT_STATES, self._state, stream)
        node.create_subscription(JointTrajectory, topics.command_topic(self.arm.controller), self._command, stream)
        node.create_subscription(WrenchStamped, self.arm.wrench_topic, self._wrench, stream)
        self.motion = self.world.newest(MotionStatus, topics.MOTION_STATUS, stream)
        self.safety = self.world.newest(SafetyStatus, topics.SAFETY_STATUS, latched)
        self.status = self.world.newest(RobotStatus, topics.ROBOT_STATUS, latched)
        self.hand = []
        self.chunks = node.create_publisher(ActionChunk, topics.ACTION_CHUNK, stream)

    def __enter__(self):
        self.world.__enter__()
        return self

    def __exit__(self, *why):
        self.world.__exit__(*why)

    def _state(self, msg):
        if msg.name[0] == self.arm.joints[0]:
            self.states.append(
                (convert.time_ns(msg.header.stamp) / 1e9, np.array(msg.position), np.array(msg.velocity))
            )
        else:
            self.hand.append(msg.position[0])

    def _command(self, msg):
        self.commands.append((time.time(), convert.trajectory(msg)))

    def _wrench(self, msg):
        self.wrenches.append((time.time(), convert.wrench(msg)))

    def wait(self, condition, what):
        self.world.wait(condition, what)

    def arm_motion(self, who="test"):
        """Re-armed, with the authority."""
        self.wait(lambda: self.status and self.status[0].ready, "a ready robot")
        self.wait(lambda: self.motion and self.motion[0].joint_state_age >= 0 and self.safety, "motion")

        def armed():
            if self.safety[0].armed:
                return True
            self.world.call(ReArm, topics.REARM, ReArm.Request(operator_id=who, latch=self.safety[0].latch))
            time.sleep(0.2)
            return self.safety[0].armed

        self.wait(armed, "armed")
        request = SetAuthority.Request(commander_id=who, requester_id=who)
        self.epoch = self.world.call(SetAuthority, topics.SET_AUTHORITY, request).epoch
        self.wait(
            lambda: self.motion[0].epoch == self.epoch and self.chunks.get_subscription_count() == 1, "the authority"
        )

    def send(self, joints, dt, hand=None, who="test"):
        """Joint steps (T, 7), `dt` seconds apart, from now on; hand: openings (T, 1)."""
        now = convert.time_ns(self.motion[0].header.stamp)
        self.seq += 1
        names = () if hand is None else tuple(self.arm.hand.joints)
        action = GroupAction(
            self.arm.name,
            joint_names=tuple(self.arm.joints),
            joints=np.asarray(joints),
            hand_joint_names=names,
            hand=hand,
        )
        self.chunks.publish(convert.chunk_msg(convert.ActionChunk(who, self.epoch, self.seq, now, now, dt, (action,))))

    def at_rest(self, speed=0.02):
        """Whether the last measured velocities are below `speed` rad/s."""
        return bool(self.states) and np.abs(self.states[-1][2]).max() < speed

    def desired(self, times) -> np.ndarray:
        """(T, 7): where a controller that heard the commands when the test heard them wants the arm at `times`."""
        made, rows, commands = TrajectoryController("arm", self.arm.joints), [], list(self.commands)
        made.reset(commands[0][1].positions[0])
        i = 0
        for t in times:
            while i < len(commands) and commands[i][0] <= t:
                assert made.accept(commands[i][1], commands[i][0]) == ""
                i += 1
            rows.append(made.sample(np.array([t]))[0][0])
        return np.array(rows)
