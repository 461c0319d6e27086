"""Node `planner`: plans moves to named, joint and tool goals on request. A commander sends what it answers through motion.

Parameters: robot (name or path); task (name or path, may be empty): its fixtures are planned around; motion_backend: embedded (default)
or moveit, which is loaded in this process only.
"""

import time

import numpy as np
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import JointState
from vipa_msgs.srv import PlanMotion

from vipa.errors import VipaError, unknown
from vipa.planning.request import NoPlan, check
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa.robot.joint_states import JointStates
from vipa.tasks.task import load_task
from vipa_ros.common import convert, node
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import MOTION_READER
from vipa_ros.common.services import FIRST_WAIT_S, Services

BACKENDS = ("embedded", "moveit")
JOINT_STATE_TIMEOUT_S = 0.5  # wall seconds without joint states after which nobody knows where the robot is


class PlannerNode(Node):
    """One plan at a time. Single thread."""

    def __init__(self):
        super().__init__("planner")
        self.robot = load_robot(node.parameter(self, "robot", str))
        task = node.parameter(self, "task", "")
        backend = node.parameter(self, "motion_backend", "embedded")
        if backend not in BACKENDS:
            raise unknown("motion backend", backend, BACKENDS)
        self.planning = self.make(backend, load_task(task).fixtures if task else [])
        self.states, self.state, self.heard = JointStates(self.robot), None, 0.0
        self.deaf_until = 0.0  # monotonic: it planned until then, and heard nothing meanwhile
        Listener(self).on(JointState, topics.JOINT_STATES, self.on_joint_state, MOTION_READER)
        self.services_ = Services(self, {})
        # reentrant: joint states come in while a request waits for the first of them
        self.create_service(PlanMotion, topics.PLAN_MOTION, self.on_plan, callback_group=ReentrantCallbackGroup())
        self.get_logger().info(f"planner ready: {self.robot.name}, {backend}")

    def make(self, backend, fixtures):
        if backend == "embedded":
            from vipa.planning.embedded import EmbeddedPlanning

            return EmbeddedPlanning(self.robot, fixtures)
        from vipa_ros.moveit.planning import MoveItPlanning

        try:
            return MoveItPlanning(self.robot, fixtures, self.get_parameter("use_sim_time").value)
        except ImportError as error:
            raise VipaError(
                f"planner: motion backend moveit wants moveit_py: {error}; allowed here: embedded"
            ) from None

    def on_joint_state(self, msg):
        why, before = self.states.take(convert.joint_state(msg)), self.state
        self.state = self.states.merged()
        if self.state is not None and (before is None or self.state.stamp_ns != before.stamp_ns):
            self.heard = time.monotonic()
        if why:
            raise ValueError(why)

    async def on_plan(self, request, response):
        await self.services_.until(lambda: self.state is not None, FIRST_WAIT_S)
        asked = convert.plan_request(request)
        try:
            why = check(asked, self.robot) or self.blind()
            if why:
                raise NoPlan(why)
            try:
                plan = self.planning.plan(asked, self.state)
            finally:
                self.deaf_until = time.monotonic()
        except (NoPlan, ValueError) as error:
            response.message = str(error)
            return response
        group = self.robot.group(asked.group)
        response.success, response.planner, response.dt = True, plan.planner, plan.dt
        response.steps = convert.joint_steps_msg(group.name, group.joints, np.asarray(plan.steps, float))
        return response

    def blind(self):
        """'' if it is known where the robot is, else why not."""
        if self.state is None:
            return self.states.missing()
        age = time.monotonic() - max(self.heard, self.deaf_until)
        return (
            f"no joint states for {age:.1f} s; allowed: {JOINT_STATE_TIMEOUT_S}" if age > JOINT_STATE_TIMEOUT_S else ""
        )


def main():
    node.run(PlannerNode)


if __name__ == "__main__":
    main()
