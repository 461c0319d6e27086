"""Moves that were planned, executed through motion's gate, by a commander of one's own: homing, calibration."""

import time

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from vipa_msgs.msg import ActionChunk, ActionGroup, MotionStatus
from vipa_msgs.srv import PlanMotion, SetAuthority

from vipa.errors import VipaError
from vipa.recording import topics
from vipa.robot.description import Robot
from vipa.robot.joint_states import JointStates, positions_of
from vipa_ros.common import convert
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import MOTION_READER, PROFILES, newest
from vipa_ros.common.services import FIRST_WAIT_S, RETRY_S, Services

PLAN_TIMEOUT_S = 30.0  # wall seconds for a plan
MOTION_TIMEOUT_S = 60.0  # wall seconds for one motion, beside twice its duration
AT_GOAL_RAD = 0.02  # radians from the goal that count as there
SAY_AGAIN_S = (
    1.0  # wall seconds after which the path is sent again: motion holds for a commander that has long been silent
)


class Moves:
    """Moves the robot along planned paths, as a commander of its own: home, a reset, the poses of a calibration.

    Coroutines on the node's executor. commander: the id that asks for the authority. what: the movement, as messages name it.
    """

    def __init__(self, node: Node, robot: Robot, services: Services, commander: str, what: str):
        self.node, self.robot, self.services, self.commander, self.what = node, robot, services, commander, what
        services.add({topics.PLAN_MOTION: PlanMotion, topics.SET_AUTHORITY: SetAuthority})
        self.motion: MotionStatus | None = None
        self.states, listen = JointStates(robot), Listener(node).on
        self.epoch = self.seq = 0
        self.chunks = node.create_publisher(ActionChunk, topics.ACTION_CHUNK, PROFILES["stream"])
        listen(MotionStatus, topics.MOTION_STATUS, self._on_motion, newest())
        listen(JointState, topics.JOINT_STATES, self._on_joints, MOTION_READER)

    def _on_motion(self, msg):
        self.motion = msg

    def _on_joints(self, msg):
        if why := self.states.take(convert.joint_state(msg)):
            raise ValueError(why)

    async def take(self) -> None:
        """The authority. Refused while another has it. Raises VipaError: what stands in the way."""
        # asked right after the start, the node may not have met them yet
        await self.services.until(lambda: self.motion is not None and not self.states.missing(), FIRST_WAIT_S)
        if self.motion is None:
            raise VipaError(f"{self.what}: nothing heard from motion")
        if self.motion.authority not in ("", self.commander):
            raise VipaError(
                f"{self.what}: '{self.motion.authority}' has the authority; take it back first: {topics.SET_AUTHORITY}"
            )
        request = SetAuthority.Request(commander_id=self.commander, requester_id=self.commander)
        grant = await self.services.call(topics.SET_AUTHORITY, request, PLAN_TIMEOUT_S, RETRY_S)
        if not grant.granted:
            raise VipaError(f"{self.what}: {grant.message}")
        self.epoch = grant.epoch
        while self.motion.epoch < self.epoch:
            await self.services.pause(0.02)

    async def release(self) -> None:
        """Gives the authority back."""
        request = SetAuthority.Request(requester_id=self.commander)
        await self.services.call(topics.SET_AUTHORITY, request, PLAN_TIMEOUT_S, RETRY_S)

    async def to(self, request: PlanMotion.Request) -> None:
        """Plans to the goal of `request` and moves there. Raises VipaError."""
        plan = await self.services.call(topics.PLAN_MOTION, request, PLAN_TIMEOUT_S)
        if not plan.success:
            raise VipaError(f"{self.what} {request.group}: {plan.message}")
        await self.play(plan.steps, plan.dt)

    async def play(self, steps: ActionGroup, dt: float) -> None:
        """Joint steps of a group, `dt` seconds apart, to their end. Raises VipaError if motion stops, or the arm does not arrive."""
        group = self.robot.group(steps.name)
        self.renew_epoch()
        msg = ActionChunk(commander_id=self.commander, epoch=self.epoch, dt=dt, groups=[steps])
        msg.start_time = self.motion.header.stamp
        refusals, first = self.motion.refusals, self.seq + 1
        count = len(steps.joints) // len(group.joints)
        begun, again = False, 0.0
        for _ in range(round((MOTION_TIMEOUT_S + 2 * count * dt) / 0.05)):
            if time.monotonic() >= again:
                self.send(msg)
                again = time.monotonic() + SAY_AGAIN_S
            await self.services.pause(0.05)
            m = self.motion
            begun = begun or first <= m.executing_seq <= self.seq
            refused = not begun and m.refusals > refusals
            if m.mode == MotionStatus.STOPPED or m.epoch != self.epoch or refused:
                raise VipaError(f"{self.what} {group.name}: {m.reasons[0] if m.reasons else 'motion was taken over'}")
            if begun and m.mode == MotionStatus.HOLDING:
                break
        goal = np.asarray(steps.joints[-len(group.joints) :], float)
        if (left := self.distance(group, goal)) > AT_GOAL_RAD:
            raise VipaError(f"{self.what} {group.name}: ended {left:.3f} rad from its goal; allowed: {AT_GOAL_RAD}")

    def renew_epoch(self) -> None:
        """A hold has opened a new one: planned from where the arm stands now, the next path belongs to it. Raises VipaError if another has the
        authority."""
        if self.motion.authority != self.commander:
            raise VipaError(f"{self.what}: '{self.motion.authority}' has the authority now")
        self.epoch = self.motion.epoch

    def send(self, msg: ActionChunk) -> None:
        """`msg` as the newest chunk of this commander."""
        self.seq += 1
        msg.seq, msg.header.stamp = self.seq, self.motion.header.stamp
        self.chunks.publish(msg)

    def distance(self, group, goal) -> float:
        """Radians of the joint of `group` that is furthest from `goal` (J,)."""
        if (state := self.states.merged()) is None:
            raise VipaError(f"{self.what}: {self.states.missing()}")
        return float(np.abs(positions_of(state, group.joints) - np.asarray(goal)).max())
