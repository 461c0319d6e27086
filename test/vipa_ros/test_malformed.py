"""Every subscription of every node, with real rclpy, against messages that no sane node sends: the node goes on, and knows what is
true when it is told again."""

import types
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

import rclpy
from control_msgs.action import GripperCommand  # noqa: F401
from sensor_msgs.msg import JointState
from vipa_msgs.action import RunEpisode
from vipa_msgs.msg import EpisodeStatus, MotionStatus

from helpers.franky_cell import robot_file
from helpers.franky_stand_in import StandIn
from vipa.preflight.cell_checks import cell_findings
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_ros.bringup.environment import Domain
from vipa_ros.cameras.reader import CameraReader
from vipa_ros.commanders.async_commander_node import AsyncCommanderNode
from vipa_ros.commanders.commander_node import CommanderNode
from vipa_ros.common import convert
from vipa_ros.episode.running import Running
from vipa_ros.nodes import (
    compressor,
    console,
    episode,
    franky,
    gripper,
    motion,
    operator,
    placement,
    planner,
    preflight,
    recorder,
    robot,
    sim,
    task_manager,
    teleop,
    view,
)
from vipa_sim.cell import SimCell

ROBOT = load_robot("fr3_single")
TASK = load_task("water_plant")
CELL = SimCell(ROBOT, TASK, cameras=())
CELL.reset(0, "")
TRUTH = CELL.truth()
RULES = {  # what stands in every field of a kind; lengths of sequences, one after the other
    "defaults": (0, 0.0, "", (0,)),
    "nan": (1, float("nan"), "a|b|c", (1, 2, 3)),
    "infinite": (2**31 - 1, float("inf"), "|", (2, 1)),
    "huge": (255, 1e308, "9" * 5000, (3,)),
    "odd": (7, -1e308, "²", (1, 0)),
    "ragged": (3, 0.5, "fr3_joint1", (1, 8, 2, 5)),
}


class Filler:
    """Fills a message by a rule."""

    def __init__(self, rule):
        (self.integer, self.real, self.text, lengths), self.count = RULES[rule], 0
        self.lengths = lengths

    def fill(self, kind):
        msg = kind()
        for name, field in kind.get_fields_and_field_types().items():
            setattr(msg, name, self.value(getattr(msg, name), field))
        return msg

    def value(self, now, field):
        if hasattr(now, "get_fields_and_field_types"):
            return self.fill(type(now))
        if field.startswith("sequence<"):
            self.count += 1
            return [
                self.single(field[len("sequence<") : -1]) for _ in range(self.lengths[self.count % len(self.lengths)])
            ]
        if "[" in field:  # of fixed length
            return [self.single(field.split("[")[0])] * len(now)
        return self.single(field)

    def single(self, field):
        field = field.split(",")[0].split("<")[0]
        if "/" in field:
            package, name = field.split("/")
            return self.fill(getattr(__import__(f"{package}.msg", fromlist=[name]), name))
        if field == "boolean":
            return bool(self.integer % 2)
        if field in ("double", "float"):
            return (
                self.real if field == "double" or not np.isfinite(self.real) else float(np.clip(self.real, -3e38, 3e38))
            )
        if field == "string":
            return self.text
        bits = int("".join(filter(str.isdigit, field)) or 8)
        top = 2 ** (bits - (not field.startswith("u") and field not in ("octet", "char"))) - 1
        return bytes([min(self.integer, 255)]) if field == "octet" else min(self.integer, top)


def joint_states(now):
    """Of a robot whose joints are told in parts, and of what else may stand on /joint_states."""
    names = [j for g in ROBOT.groups for j in [*g.joints, *(g.hand.joints if g.hand else ())]]
    values = [*ROBOT.groups[0].home, 0.02]

    def msg(names, positions, velocities=(), stamp=now):
        out = JointState(
            name=list(names), position=[float(v) for v in positions], velocity=[float(v) for v in velocities]
        )
        out.header.stamp = convert.time_msg(stamp)
        return out

    return {
        "whole": msg(names, values, [0.0] * 8),
        "gripper alone": msg(names[7:], values[7:]),
        "arm alone": msg(names[:7], values[:7]),
        "nobody's joints": msg(["wheel"], [1.0]),
        "ragged velocities": msg(names, values, [0.0] * 3),
        "ragged positions": msg(names, values[:5]),
        "a finger's velocity is nan": msg(names, values, [0.0] * 7 + [np.nan]),
        "a joint is nan": msg(names, [np.nan, *values[1:]]),
        "twice": msg([*names, names[0]], [*values, 0.0]),
        "no stamp": msg(names, values, stamp=0),
    }


class Commander:
    commander_id, period = "test", 1000.0

    def __init__(self, wants_cameras):
        self.wants_cameras, self.seen = wants_cameras, []

    def reset(self, start):
        pass

    def step(self, seen):
        self.seen.append(seen)


def managing():
    node = task_manager.TaskManagerNode()
    start(node)
    return node


def start(node):
    node.running = Running(RunEpisode.Goal(task="water_plant", commander="test"), node.robot, "sim", None)
    node.running.begin(0)
    node.running.handle = types.SimpleNamespace(is_cancel_requested=False, is_active=False)


def compressing():
    node = compressor.CompressorNode()
    for publisher in node.publishers:
        publisher.get_subscription_count = lambda: 1  # somebody listens
    return node


def looking(compressed=False):
    def make(node):
        cameras = [c.name for c in ROBOT.cameras]
        return ROBOT, Commander(True), CameraReader(node, ROBOT, cameras, "", True, compressed).observe

    return AsyncCommanderNode("looking", make)


NODES = {
    "motion": motion.MotionNode, "planner": planner.PlannerNode, "task_manager": managing, "recorder": recorder.RecorderNode,
    "gripper": gripper.GripperNode, "robot": robot.RobotNode, "operator": operator.OperatorNode, "episode": episode.EpisodeNode, "sim": sim.SimNode,
    "blind commander": lambda: CommanderNode("blind", lambda _: (ROBOT, Commander(False), None)), "looking commander": looking,
    "looking commander, compressed": lambda: looking(True), "compressor": compressing,
    "teleop": teleop.TeleopSession, "console": console.ConsoleNode, "placement": placement.PlacementNode, "view": view.ViewNode,
    "preflight": preflight.Preflight, "franky": franky.FrankyNode,
}  # fmt: skip


@pytest.fixture(params=[*NODES, "robot with franka", "robot with ur"])
def node(request, tmp_path, monkeypatch):
    name, _, driver = request.param.partition(" with ")
    monkeypatch.setattr("vipa.drivers.franky_arm.library", StandIn)
    monkeypatch.setattr(franky.FrankyArm, "check_tool", lambda *_: None)  # the stand-in has none
    monkeypatch.setattr("os.setpriority", lambda *_: None)  # of this process
    domain = Domain()
    arguments = {
        "robot": robot_file(tmp_path, "127.0.0.1") if name == "franky" else "fr3_single",
        "task": "water_plant",
        "commander": "expert",
        "driver": driver or "none",
        "cameras": "scene,wrist" if name in ("preflight", "compressor") else "false",
        "device": "leader",
        "session": "true",
        "runs": str(tmp_path),
        "at": "localhost:0",
        "out": str(tmp_path),
        "reference": str(tmp_path / "reference"),
        "keyed": "false",
    }
    given = [word for key, value in arguments.items() for word in ("-p", f"{key}:={value}")]
    rclpy.init(args=["--ros-args", *given], domain_id=domain.id)
    made = None
    try:
        made = NODES[name]()
        executor = rclpy.executors.SingleThreadedExecutor()
        executor.add_node(made)
        yield made
    finally:
        if hasattr(made, "close"):
            made.close()
        if made is not None:
            made.destroy_node()
        rclpy.shutdown()
        domain.release()


def truths(node, but=None):
    """Tells the node what is so on all topics `but` one, for it to have something to do."""
    now = node.get_clock().now().nanoseconds
    if hasattr(node, "running") and hasattr(node, "others"):
        start(node)
    status, truth = MotionStatus(authority="test"), convert.truth_msg(TRUTH)
    status.header.stamp = truth.header.stamp = convert.time_msg(now)
    running = EpisodeStatus(state=EpisodeStatus.RUNNING, commander="test", episode_id="a")
    said = {
        topics.JOINT_STATES: joint_states(now)["whole"],
        topics.MOTION_STATUS: status,
        topics.EPISODE_STATUS: running,
        topics.GROUND_TRUTH: truth,
    }
    for subscription in node.subscriptions:
        if subscription.topic_name in said and not subscription.raw and subscription is not but:
            subscription.callback(said[subscription.topic_name])


def work(node):
    for timer in list(node.timers):
        timer.callback()
    if hasattr(node, "picture"):
        node.picture()  # what the operator is shown
    if hasattr(node, "link"):
        node.state()
    if isinstance(node, preflight.Preflight):
        node.ear.heard.seconds = 1.0
        cell_findings(node.robot, node.cameras, node.ear.heard, False)
    if isinstance(node, placement.PlacementNode):
        node.show()
        if not node.missing():
            node.look()


NO_EARS = {"realsense", "record"}  # it hears nothing; it takes bytes as they are
COMMANDERS = {"expert", "policy", "replay"}  # "blind commander" and "looking commander"


def test_every_node_is_here():
    here = {value.__name__.rpartition(".")[2] for value in globals().values() if isinstance(value, types.ModuleType)}
    nodes = {path.stem for path in Path(motion.__file__).parent.glob("[!_]*.py")}
    assert nodes <= here | NO_EARS | COMMANDERS


def test_every_subscription_survives(node):
    known = {t.name: t for t in [*topics.topic_table(ROBOT, "sim"), *topics.topic_table(ROBOT, "real")]}
    ours = [s for s in node.subscriptions if s.topic_name in known or s.topic_name.startswith(("/franka", "/io_"))]
    assert ours
    for subscription in ours:
        truths(node)
        for rule in RULES:
            msg = Filler(rule).fill(subscription.msg_type)
            if subscription.raw:
                msg = rclpy.serialization.serialize_message(msg)
            subscription.callback(msg)
            truths(node, but=subscription)
            work(node)
        now = node.get_clock().now().nanoseconds
        for msg in joint_states(now).values() if subscription.msg_type is JointState else ():
            subscription.callback(rclpy.serialization.serialize_message(msg) if subscription.raw else msg)
            truths(node, but=subscription)
            work(node)
    truths(node)
    work(node)
    if hasattr(node, "states"):  # nothing of all this is believed
        assert not node.states.missing()
        np.testing.assert_allclose(node.states.merged().positions, joint_states(1)["whole"].position)


def test_joint_states_in_parts_are_enough(node):
    """Arm and gripper on messages of their own, from two publishers."""
    if not hasattr(node, "states"):
        return
    ours = [s for s in node.subscriptions if s.topic_name == topics.JOINT_STATES]
    for subscription in ours:
        subscription.callback(joint_states(5)["gripper alone"])
    assert node.states.missing() == "no joint state of fr3_joint1, fr3_joint2, fr3_joint3 …"
    for subscription in ours:
        subscription.callback(joint_states(5)["arm alone"])
    assert node.states.missing() == "" and node.states.merged().stamp_ns == 5
