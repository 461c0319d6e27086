"""Moves that were planned, executed through motion's gate, by a commander of one's own: homing, the dry run, calibration."""

import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

import numpy as np
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from vipa_msgs.msg import ActionChunk, ActionGroup, MotionStatus
from vipa_msgs.srv import PlanMotion, SetAuthority

from vipa.errors import VipaError
from vipa.recording import topics
from vipa.robot.description import Robot
from vipa.robot.joint_states import JointStates, positions_of
from vipa.tasks.heartbeats import SILENCE_S, Heartbeats
from vipa_ros.common import convert, lockstep
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import CLOCK_READER, MOTION_READER, PROFILES, newest
from vipa_ros.common.services import FIRST_WAIT_S, RETRY_S, Services

PLAN_TIMEOUT_S = 30.0  # wall seconds for a plan
MOTION_TIMEOUT_S = 60.0  # wall seconds for one motion, beside twice its duration
AT_GOAL_RAD = 0.02  # radians from the goal that count as there
SAY_AGAIN_S = (
    1.0  # wall seconds after which the path is sent again: motion holds for a commander that has long been silent
)
ON_ITS_WAY_S = 0.1  # wall seconds in which what a node sends last leaves it
WHO = {"motion": "motion", "cell": f"the cell ({topics.JOINT_STATES})"}


class Unreached(VipaError):
    """A goal that was not reached, or not planned to. Motion and cell are there: another may be."""

    def __init__(self, where: str, why: str):
        super().__init__(f"{where}: {why}")
        self.why = why


class Moves:
    """Moves the robot along planned paths, as a commander of its own: home, a reset, the poses of a calibration.

    Coroutines on the node's executor. commander: the id that asks for the authority. what: the movement, as messages name it.
    """

    def __init__(self, node: Node, robot: Robot, services: Services, commander: str, what: str):
        self.node, self.robot, self.services, self.commander, self.what = node, robot, services, commander, what
        services.add({topics.PLAN_MOTION: PlanMotion, topics.SET_AUTHORITY: SetAuthority})
        self.motion: MotionStatus | None = None
        self.states, self.listener = JointStates(robot), Listener(node)
        self.epoch = self.seq = 0
        self.owed: list[tuple[str, Any]] = []  # (service, request) of what is to be given back
        self.heartbeats, self.standing = Heartbeats(SILENCE_S, time.monotonic()), lockstep.Standing()
        self.chunks = node.create_publisher(ActionChunk, topics.ACTION_CHUNK, PROFILES["stream"])
        self.listener.on(MotionStatus, topics.MOTION_STATUS, self._on_motion, newest())
        self.listener.on(JointState, topics.JOINT_STATES, self._on_joints, MOTION_READER)

    def _on_motion(self, msg):
        self.motion = msg
        self.heartbeats.heard("motion", time.monotonic())

    def _on_joints(self, msg):
        before = self.states.stamp_ns
        why = self.states.take(convert.joint_state(msg))
        if self.states.stamp_ns != before:
            self.heartbeats.heard("cell", time.monotonic())
        if why:
            raise ValueError(why)

    def _on_clock(self, msg):
        """A simulated cell that waits for motion is alive."""
        if self.standing.waits(convert.time_ns(msg.clock)):
            self.heartbeats.heard("cell", time.monotonic())

    # with the authority

    async def held(self, act: Callable[[], Coroutine[Any, Any, Any]], back: Iterable[tuple[str, Any]] = ()) -> Any:
        """What `act` gives, played with the authority, which goes back however it ends.

        back: (service, request) of what `act` changes; they go back with the authority. Of one that is interrupted `leave` gives them
        back: a coroutine that is closed can await nothing. Raises VipaError: what stood in the way, or that the authority was lost.
        """
        self.heartbeats.restart(time.monotonic())
        clock = self.listener.on(Clock, topics.CLOCK, self._on_clock, CLOCK_READER)
        try:
            await self._take([*back])
            try:
                found = await act()
                self.check()
            except Exception:  # not finally: see above
                with suppress(VipaError):  # the first says more
                    await self._give_back()
                raise
            await self._give_back()
        finally:
            self.node.destroy_subscription(clock)
        return found

    def leave(self) -> None:
        """Gives back what is still held, without waiting for answers: the node's way out."""
        if self.owed:
            self._send_owed()
            time.sleep(ON_ITS_WAY_S)

    async def _take(self, back: list[tuple[str, Any]]) -> None:
        # asked right after the start, the node may not have met them yet; what motion said before is no news
        began = time.monotonic()
        fresh = lambda: self.motion is not None and self.heartbeats.last["motion"] > began  # noqa: E731
        await self.services.until(lambda: fresh() and not self.states.missing(), FIRST_WAIT_S)
        if not fresh():
            raise VipaError(f"{self.what}: nothing heard from motion")
        if self.motion.authority not in ("", self.commander):
            raise VipaError(
                f"{self.what}: '{self.motion.authority}' has the authority; take it back first: {topics.SET_AUTHORITY}"
            )
        # before it is granted: interrupted, nobody hears of the answer
        self.owed = [(topics.SET_AUTHORITY, SetAuthority.Request(requester_id=self.commander)), *back]
        try:
            request = SetAuthority.Request(commander_id=self.commander, requester_id=self.commander)
            grant = await self.ask(topics.SET_AUTHORITY, request)
            if not grant.granted:
                raise VipaError(f"{self.what}: {grant.message}")
            self.epoch = grant.epoch
            await self.services.until(
                lambda: self.motion.epoch >= self.epoch or bool(self.silent("motion")), PLAN_TIMEOUT_S
            )
            if why := self._named(self.silent("motion") or self._lost()):
                raise VipaError(why)
        except VipaError:
            self._send_owed()
            raise

    async def _give_back(self) -> None:
        """Raises VipaError: what was refused; where motion is silent all is sent, and nothing waited for."""
        refused = []
        try:
            while self.owed:
                if why := (await self.ask(*self.owed[0])).message:
                    refused.append(f"{self.owed[0][0]}: {why}")
                del self.owed[0]
        except VipaError:
            self._send_owed()
            raise
        if refused:
            raise VipaError(f"{self.what}: {'; '.join(refused)}")

    async def ask(self, name: str, request) -> Any:
        """The answer of a service of motion's. Raises VipaError as soon as motion is silent."""
        return await self.services.call(
            name, request, PLAN_TIMEOUT_S, RETRY_S, lambda: self._named(self.silent("motion"))
        )

    def _send_owed(self) -> None:
        for name, request in self.owed:
            self.services.send(name, request)
        self.owed = []

    # while it is held

    def over(self) -> str:
        """'' or why no further goal can be reached: motion or the cell is silent, motion is stopped, or the authority was lost. While
        nothing is held: ''."""
        if not self.owed:
            return ""
        if why := self.silent("motion", "cell") or self._lost():
            return why
        if self.motion.mode == MotionStatus.STOPPED:
            return self.motion.reasons[0] if self.motion.reasons else "motion is stopped"
        return ""

    def _lost(self) -> str:
        """'' or who has the authority instead."""
        if (holder := self.motion.authority) == self.commander:
            return ""
        who = f"'{holder}' has it now" if holder else "nobody has it now"
        return f"the authority was lost: {who}"

    def _named(self, why: str) -> str:
        return f"{self.what}: {why}" if why else ""

    def check(self) -> None:
        """Raises VipaError if it is `over`."""
        if why := self._named(self.over()):
            raise VipaError(why)

    async def until(self, there: Callable[[], bool], wait: float) -> bool:
        """Whether there() has become true within `wait` wall seconds. Raises VipaError as soon as it is `over`."""
        await self.services.until(lambda: there() or bool(self.over()), wait)
        self.check()
        return there()

    def silent(self, *who: str) -> str:
        """'' or which of `who` has said nothing, and for how long."""
        now = time.monotonic()
        silent = [name for name in self.heartbeats.silent(now) if name in who]
        said = [f"nothing heard from {WHO[name]} for {now - self.heartbeats.last[name]:.1f} s" for name in silent]
        return "; ".join(said)

    async def to(self, request: PlanMotion.Request, slower: float = 1.0) -> None:
        """Plans to the goal of `request` and moves there, `slower` times slower than planned. Raises Unreached, or VipaError where no
        further goal can be reached."""
        plan = await self.services.call(
            topics.PLAN_MOTION, request, PLAN_TIMEOUT_S, vain=lambda: self._named(self.over())
        )
        if not plan.success:
            await self._alive()
            raise Unreached(f"{self.what} {request.group}", plan.message)
        await self.play(plan.steps, plan.dt * slower)

    async def _alive(self) -> None:
        """Until motion and cell have said something more: a planner refuses as soon as the cell is silent. Raises VipaError."""
        since = time.monotonic()
        await self.until(lambda: min(self.heartbeats.last.values()) > since, sum(SILENCE_S.values()))

    async def play(self, steps: ActionGroup, dt: float) -> None:
        """Joint steps of a group, `dt` seconds apart, to their end. Raises Unreached, or VipaError where no further goal can be
        reached."""
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
            self.check()
            m = self.motion
            begun = begun or first <= m.executing_seq <= self.seq
            refused = not begun and m.refusals > refusals
            if m.epoch != self.epoch or refused:
                raise Unreached(f"{self.what} {group.name}", m.reasons[0] if m.reasons else "motion held it")
            if begun and m.mode == MotionStatus.HOLDING:
                break
        goal = np.asarray(steps.joints[-len(group.joints) :], float)
        if (left := self.distance(group, goal)) > AT_GOAL_RAD:
            raise Unreached(f"{self.what} {group.name}", f"ended {left:.3f} rad from its goal; allowed: {AT_GOAL_RAD}")

    def renew_epoch(self) -> None:
        """A hold has opened a new one: planned from where the arm stands now, the next path belongs to it. Raises VipaError if no further
        goal can be reached."""
        self.check()
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
