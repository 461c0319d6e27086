"""Homing: every arm goes home around what stands there, as a commander whose joint chunks were planned."""

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from vipa_msgs.msg import ActionChunk, MotionStatus
from vipa_msgs.srv import PlanMotion, SetAuthority

from vipa.errors import VipaError
from vipa.recording import topics
from vipa.robot.description import Robot
from vipa.robot.joint_states import JointStates, positions_of
from vipa_ros.common import convert
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import MOTION_READER, PROFILES, newest
from vipa_ros.common.services import FIRST_WAIT_S, RETRY_S, Services

COMMANDER = "home"
WAIT = 30.0  # wall seconds for a plan
PATIENCE = 60.0  # wall seconds for one arm's motion, beside twice its duration
NEAR = 0.02  # radians from home that count as there


class Homing:
    """Coroutines on the node's executor."""

    def __init__(self, node: Node, robot: Robot, services: Services):
        self.node, self.robot, self.services = node, robot, services
        services.add({topics.PLAN_MOTION: PlanMotion, topics.SET_AUTHORITY: SetAuthority})
        self.motion: MotionStatus | None = None
        self.states, listen = JointStates(robot), Listener(node).on
        self.seq = 0
        self.chunks = node.create_publisher(ActionChunk, topics.ACTION_CHUNK, PROFILES["stream"])
        listen(MotionStatus, topics.MOTION_STATUS, self._on_motion, newest())
        listen(JointState, topics.JOINT_STATES, self._on_joints, MOTION_READER)

    def _on_motion(self, msg):
        self.motion = msg

    def _on_joints(self, msg):
        if why := self.states.take(convert.joint_state(msg)):
            raise ValueError(why)

    async def home(self) -> None:
        """One arm after the other. Refused while a commander holds the authority. Raises VipaError: what stands in the way."""
        # asked right after the start, the node may not have met them yet
        await self.services.until(lambda: self.motion is not None and not self.states.missing(), FIRST_WAIT_S)
        if self.motion is None:
            raise VipaError("homing: nothing heard from motion")
        if self.motion.authority not in ("", COMMANDER):
            raise VipaError(
                f"homing: '{self.motion.authority}' has the authority; take it back first: {topics.SET_AUTHORITY}"
            )
        request = SetAuthority.Request(commander_id=COMMANDER, requester_id=COMMANDER)
        grant = await self.services.call(topics.SET_AUTHORITY, request, WAIT, RETRY_S)
        if not grant.granted:
            raise VipaError(f"homing: {grant.message}")
        try:
            while self.motion.epoch < grant.epoch:
                await self.services.pause(0.02)
            for group in self.robot.groups:
                await self._home(group, grant.epoch)
        finally:
            await self.services.call(topics.SET_AUTHORITY, SetAuthority.Request(requester_id=COMMANDER), WAIT, RETRY_S)

    async def _home(self, group, epoch: int) -> None:
        if self._distance(group) < NEAR / 4:
            return
        plan = await self.services.call(topics.PLAN_MOTION, PlanMotion.Request(group=group.name, named="home"), WAIT)
        if not plan.success:
            raise VipaError(f"homing {group.name}: {plan.message}")
        self.seq += 1
        msg = ActionChunk(commander_id=COMMANDER, epoch=epoch, seq=self.seq, dt=plan.dt, groups=[plan.steps])
        now = self.motion.header.stamp
        msg.header.stamp = msg.start_time = now
        refusals = self.motion.refusals
        self.chunks.publish(msg)
        steps = len(plan.steps.joints) // len(group.joints)
        begun = False
        for _ in range(round((PATIENCE + 2 * steps * plan.dt) / 0.05)):
            await self.services.pause(0.05)
            m = self.motion
            begun = begun or m.executing_seq == self.seq
            refused = not begun and m.refusals > refusals
            if m.mode == MotionStatus.STOPPED or m.epoch != epoch or refused:
                raise VipaError(f"homing {group.name}: {m.reasons[0] if m.reasons else 'motion was taken over'}")
            if begun and m.mode == MotionStatus.HOLDING:
                break
        if (left := self._distance(group)) > NEAR:
            raise VipaError(f"homing {group.name}: ended {left:.3f} rad from home; allowed: {NEAR}")

    def _distance(self, group) -> float:
        """Radians of the joint that is furthest from home."""
        if (state := self.states.merged()) is None:
            raise VipaError(f"homing: {self.states.missing()}")
        return float(np.abs(positions_of(state, group.joints) - np.asarray(group.home)).max())
