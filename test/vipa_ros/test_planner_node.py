"""The planner node as a process: our planner, MoveIt's through a stand-in for moveit_py, and neither."""

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from helpers.ended_node import ended

pytest.importorskip("rclpy")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from vipa_msgs.srv import PlanMotion

from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa_cli.bench.ideal_robot import IdealRobot
from vipa_ros.bringup import environment
from vipa_ros.bringup.process import ProcessSpec, command
from vipa_ros.common import convert
from vipa_ros.common.qos import PROFILES

pytestmark = pytest.mark.graph
WALL = 120  # seconds after which a wait is given up; nothing is measured by it
RETRY_S = 10.0  # seconds without an answer after which the planner is asked again; a plan takes less than one
STAND_IN = Path(__file__).parents[1] / "helpers" / "moveit_py_stand_in"
ROBOT, TASK = "ur5e_single", "put_three_obj"


class Caller:
    """Publishes joint states while it waits, and calls the planner."""

    def __init__(self, domain):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("caller", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.robot = IdealRobot(load_robot(ROBOT))
        self.states = self.node.create_publisher(JointState, topics.JOINT_STATES, PROFILES["stream"])
        self.plan = self.node.create_client(PlanMotion, topics.PLAN_MOTION)
        self.silent = False

    def until(self, condition):
        deadline = time.monotonic() + WALL
        while not condition():
            assert time.monotonic() < deadline
            if not self.silent:
                self.states.publish(convert.joint_state_msg(self.robot.state()))
            self.executor.spin_once(timeout_sec=0.02)

    def ask(self, **request):
        """The planner's answer. It is asked again: rmw_fastrtps drops an answer to a client that the server does not know yet."""
        self.until(self.plan.service_is_ready)
        while True:
            future, sent = self.plan.call_async(PlanMotion.Request(**request)), time.monotonic()
            self.until(lambda: future.done() or time.monotonic() > sent + RETRY_S)  # noqa: B023 - called before they change
            if future.done() and future.result().message != "no joint states yet":
                return future.result()


@pytest.fixture
def planner(tmp_path):
    """start(backend) -> Caller; the node's environment knows the stand-in for moveit_py."""
    domain = environment.Domain()
    env = environment.child_environment(domain.id)
    env |= {
        "PYTHONPATH": os.pathsep.join([str(STAND_IN), env.get("PYTHONPATH", "")]),
        "VIPA_MOVEIT_PY_LOG": str(tmp_path / "log"),
    }
    running, callers = [], []

    def start(backend):
        spec = ProcessSpec("planner", "planner", {"robot": ROBOT, "task": TASK, "motion_backend": backend})
        running.append(subprocess.Popen(command(spec, Path()), env=env))
        callers.append(Caller(domain.id))
        return callers[0]

    yield start
    for process in running:
        process.kill()
        process.wait()
    for caller in callers:
        caller.node.destroy_node()
        rclpy.shutdown(context=caller.context)
    domain.release()


def joints_of(answer):
    return np.array(answer.steps.joints).reshape(-1, len(answer.steps.joint_names))


def test_our_planner_answers_with_a_chunks_part(planner):
    caller = planner("embedded")
    arm = caller.robot_arm = load_robot(ROBOT).arms[0]
    goal = (np.array(arm.home) + [0.3, 0.1, -0.1, 0, 0, 0.2]).tolist()
    answer = caller.ask(group="arm", joints=goal)
    assert answer.success and answer.planner == "embedded" and answer.dt == 0.05, answer.message
    assert answer.steps.kind == answer.steps.JOINTS and list(answer.steps.joint_names) == arm.joints
    steps = joints_of(answer)
    np.testing.assert_allclose(steps[[0, -1]], [arm.home, goal], atol=1e-3)
    refused = caller.ask(group="leg", named="home")
    assert not refused.success and "unknown group 'leg'; allowed: arm" in refused.message
    caller.silent = True
    begun = time.monotonic()
    caller.until(lambda: time.monotonic() - begun > 0.6)  # longer than the node believes its last joint state
    assert "no joint states for" in caller.ask(group="arm", named="home").message


def test_moveits_planner_knows_the_tasks_fixtures(planner, tmp_path):
    caller = planner("moveit")
    arm = load_robot(ROBOT).arms[0]
    goal = (np.array(arm.home) - 0.2).tolist()
    answer = caller.ask(group="arm", joints=goal)
    assert answer.success and answer.planner == "moveit", answer.message
    np.testing.assert_allclose(joints_of(answer)[[0, -1]], [arm.home, goal], atol=1e-6)
    assert caller.ask(group="arm", named="home").success
    pose = convert.pose_msg([0.4, 0, 0.3, 1, 0, 0, 0])
    assert "MoveIt found no plan, error code -31" in caller.ask(group="arm", pose=[pose]).message
    assert "knows no allowed contacts" in caller.ask(group="arm", named="home", allowed_contacts=["a|b"]).message
    said = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]
    objects = {entry["object"]: entry for entry in said if "object" in entry}
    assert "table" in objects and objects["table"]["frame"] == "base_link" and len(objects) > 1


def test_without_moveit_py_it_says_so():
    spec = ProcessSpec("planner", "planner", {"robot": ROBOT, "motion_backend": "moveit"})
    done = ended(spec, WALL)
    assert done.returncode == 2 and "motion backend moveit wants moveit_py" in done.stderr
