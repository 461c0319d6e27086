"""The motion node with the MoveIt backend and a stand-in for Servo as processes; the robot and its commander are here."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.ended_node import ended
from helpers.meeting import meet

pytest.importorskip("rclpy")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState as JointStateMsg
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMsg
from vipa_msgs.msg import ActionChunk as ActionChunkMsg
from vipa_msgs.msg import MotionStatus as MotionStatusMsg
from vipa_msgs.srv import SetAuthority

from vipa.motion.chunk import ActionChunk, GroupAction, Mode
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics
from vipa_cli.bench.ideal_robot import IdealRobot
from vipa_ros.bringup import environment, motion_backend
from vipa_ros.bringup.episode_graph import EpisodeConfig, episode_graph
from vipa_ros.bringup.process import ProcessSpec, command
from vipa_ros.common import convert, lifeline, lockstep
from vipa_ros.common.qos import PROFILES

pytestmark = pytest.mark.graph
WALL = 120  # seconds after which a wait is given up; nothing is measured by it
ROBOT = "ur5e_single"
CLOCK = {"use_sim_time": True}
TICK_S = 0.01  # of the robot
SILENCE_S = 2.0  # wall seconds without an answer of motion after which the robot goes on without one
STAND_IN = (sys.executable, "-m", "helpers.servo_stand_in_node", ROBOT, "arm")
TEST = Path(__file__).resolve().parents[2]


class Cell:
    """An ideal robot on /joint_states and its /clock: a tick, 10 ms, whenever motion has answered the last one, no faster than real
    time; and a commander."""

    def __init__(self, domain: int):
        self.description = load_robot(ROBOT)
        self.arm = Kinematics(self.description).group("arm")
        self.robot = IdealRobot(self.description)
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("cell", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        stream = PROFILES["stream"]
        self.states = self.node.create_publisher(JointStateMsg, topics.JOINT_STATES, stream)
        self.clock = self.node.create_publisher(Clock, topics.CLOCK, PROFILES["clock"])
        self.chunks = self.node.create_publisher(ActionChunkMsg, topics.ACTION_CHUNK, stream)
        self.node.create_subscription(MotionStatusMsg, topics.MOTION_STATUS, self.on_status, stream)
        for controller in topics.controllers_of(self.description.arms[0]):
            self.node.create_subscription(
                JointTrajectoryMsg,
                topics.command_topic(controller),
                lambda msg, c=controller: self.on_command(c, msg),
                stream,
            )
        self.authority = self.node.create_client(SetAuthority, topics.SET_AUTHORITY)
        self.status, self.seq = None, 0
        self.answered = self.sent = self.robot.now_ns
        self.fastest = self.asked = 0.0

    def close(self):
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def on_status(self, msg):
        self.status = convert.motion_status(msg)

    def on_command(self, controller, msg):
        self.answered = max(self.answered, int(msg.header.frame_id))
        self.robot.command({controller: convert.trajectory(msg)})  # refuses what a controller would refuse

    def until(self, condition, what: str):
        """Runs the robot until `condition()`."""
        deadline = time.monotonic() + WALL
        due = time.monotonic()
        while not condition():
            assert time.monotonic() < deadline, (what, self.status)
            self.executor.spin_once(timeout_sec=TICK_S)
            late = time.monotonic() - due
            if late >= 0 and (self.answered >= self.sent or late > (SILENCE_S if self.status else TICK_S)):
                before = np.array([self.robot.positions[j] for j in self.arm.spec.joints])
                self.robot.advance(TICK_S)
                after = np.array([self.robot.positions[j] for j in self.arm.spec.joints])
                self.fastest = max(self.fastest, float(np.abs(after - before).max()) / TICK_S)
                self.sent = self.robot.now_ns
                self.clock.publish(Clock(clock=convert.time_msg(self.sent)))
                msg = convert.joint_state_msg(self.robot.state())
                msg.header.frame_id = lockstep.name(self.sent, 0)
                self.states.publish(msg)
                due = time.monotonic() + TICK_S

    def take_authority(self):
        self.until(self.authority.service_is_ready, "motion's services")
        meet(self.node, "motion", self.until)
        future = self.authority.call_async(SetAuthority.Request(commander_id="test", requester_id="test"))
        self.until(future.done, "authority")

    @property
    def tool(self):
        return self.arm.forward(np.array([self.robot.positions[j] for j in self.arm.spec.joints]))

    def ask(self, target):
        """Asks for the pose `target` (7,), 0.1 m/s from here, every 0.2 s: a chunk that a hold has made void is followed by one."""
        now = self.robot.time
        if now - self.asked < 0.2 or self.status is None:
            return
        self.asked, self.seq = now, self.seq + 1
        here, stamp = self.tool, self.sent
        steps = max(2, int(np.linalg.norm(target[:3] - here[:3]) / 0.01) + 1)
        poses = np.tile(target, (steps, 1))
        poses[:, :3] = here[:3] + np.linspace(0, 1, steps)[:, None] * (target - here)[:3]
        action = GroupAction("arm", "base_link", "gripper_tcp", poses)
        self.chunks.publish(
            convert.chunk_msg(ActionChunk("test", self.status.epoch, self.seq, stamp, stamp, 0.1, (action,)))
        )

    def go(self, target):
        """Asks until the tool is there."""

        def there():
            self.ask(target)
            return float(np.linalg.norm(self.tool[:3] - target[:3])) < 0.002

        self.until(there, "the target")


@pytest.fixture
def cell_and_start(tmp_path):
    """The cell, and how to start a process of its graph."""
    domain = environment.Domain()
    env = environment.child_environment(domain.id) | lifeline.environment()
    env["PYTHONPATH"] = os.pathsep.join([str(TEST), env.get("PYTHONPATH", "")])
    running = []

    def start(*line):
        log = open(tmp_path / f"{len(running)}.log", "w", encoding="utf-8")  # noqa: SIM115
        running.append(subprocess.Popen(line, env=env, stdout=log, stderr=subprocess.STDOUT))
        return running[-1]

    cell = Cell(domain.id)
    yield cell, start
    cell.close()
    for process in running:
        process.kill()
        process.wait()
    domain.release()


@pytest.fixture
def graph(cell_and_start):
    """cell, and how to start a stand-in; motion runs."""
    cell, start = cell_and_start
    motion = ProcessSpec(
        "motion", "motion", {"robot": ROBOT, "require_wrench": False, "motion_backend": "moveit", **CLOCK}
    )
    start(*command(motion, Path()))
    return cell, lambda: start(*STAND_IN, "--ros-args", "-p", "use_sim_time:=true")


def test_poses_go_through_servo_and_its_death_holds_the_arm(graph):
    cell, start_servo = graph
    cell.take_authority()
    start = cell.tool
    target = start + np.array([0.08, 0.0, -0.05, 0, 0, 0, 0])

    def told():
        cell.ask(start)
        return cell.status is not None and any(
            r.startswith("refused: Servo of arm is not there") for r in cell.status.reasons
        )

    cell.until(told, "a refusal while Servo is not there")
    servo = start_servo()
    cell.go(target)
    assert cell.fastest <= max(cell.description.arms[0].max_velocity) + 1e-3

    # killed in mid-motion: the arm holds, and says why; a new one is taken on, typed and followed
    back, killed = start.copy(), []

    def dies():
        if not killed:
            cell.ask(back)
            if np.linalg.norm(cell.tool[:3] - target[:3]) > 0.02:
                servo.kill()
                servo.wait()
                killed.extend([cell.tool, cell.status.epoch])
        return bool(killed) and cell.status.epoch > killed[1]

    cell.until(dies, "the hold after Servo's death")
    cell.until(lambda: cell.status.mode is Mode.HOLDING, "rest")
    assert any("Servo of arm" in reason for reason in cell.status.reasons)
    assert np.linalg.norm((cell.tool - killed[0])[:3]) < 0.10  # 0.1 m/s, noticed after 0.3 s, on a machine of any speed
    start_servo()
    cell.go(back)


@pytest.mark.parametrize("installed", [False, True])
def test_a_real_cells_poses_are_reached_by_whichever_backend_auto_takes(
    cell_and_start, tmp_path, monkeypatch, installed
):
    """The stand-in in the place of MoveIt's program, started as the graph starts it."""
    cell, start = cell_and_start
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "ros"))
    program = tmp_path / "ros/lib/moveit_servo/servo_node"
    if installed:
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec {" ".join(STAND_IN)} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    config = EpisodeConfig("water_plant", "water_plant", ROBOT, "real", driver="ur").checked()
    servos = motion_backend.servo_nodes(config)
    assert (config.motion_backend, len(servos)) == (("moveit", 1) if installed else ("embedded", 0))
    (motion,) = (spec for spec in episode_graph(config) if spec.name == "motion")
    # this cell has no sensor, and its robot follows a command from when it comes
    motion = replace(motion, parameters=motion.parameters | {"require_wrench": False, "dated_commands": False})
    for spec in (motion, *servos):
        start(*command(replace(spec, parameters=spec.parameters | CLOCK), tmp_path))
    cell.take_authority()
    target = cell.tool + np.array([0.08, 0.0, -0.05, 0, 0, 0, 0])
    cell.go(target)
    assert cell.fastest <= max(cell.description.arms[0].max_velocity) + 1e-3
    assert float(np.abs(cell.tool[3:] @ target[3:])) > np.cos(0.01), "turned by less than 0.02 rad"


def test_a_backend_that_is_none_is_refused(tmp_path):
    spec = ProcessSpec("motion", "motion", {"robot": ROBOT, "motion_backend": "magic"})
    done = ended(spec, WALL)
    assert done.returncode == 2 and "unknown motion backend 'magic'; allowed: embedded, moveit" in done.stderr
