"""The checks that act: an emergency stop that must stop, and a dry run of the workspace at a tenth of the speed."""

from collections.abc import Callable, Iterator

import numpy as np
from vipa_msgs.msg import MotionStatus, SafetyStatus
from vipa_msgs.srv import EStop, PlanMotion, ReArm, TightenLimits

from vipa.errors import VipaError
from vipa.preflight.finding import ERROR, OK, WARNING, Finding
from vipa.recording import topics
from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics
from vipa_ros.common import convert
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import PROFILES
from vipa_ros.common.services import RETRY_S, Services
from vipa_ros.robot.moves import Moves, Unreached

WHO = "doctor"
SERVICE_TIMEOUT_S = 5.0  # wall seconds for a service
STOP_TIMEOUT_S = 1.0  # wall seconds within which motion must say that it is stopped
SLOW = 0.1  # of the speed
INSIDE = 0.25  # of the workspace's edges, from its middle, where the dry run's corners are


class Acts:
    """Coroutines on the executor of `node`."""

    def __init__(self, node, robot: Robot, services: Services):
        self.robot, self.services = robot, services
        services.add({topics.ESTOP: EStop, topics.REARM: ReArm, topics.TIGHTEN_LIMITS: TightenLimits})
        self.moves = Moves(node, robot, services, WHO, "dry run")
        self.safety: SafetyStatus | None = None
        Listener(node).on(SafetyStatus, topics.SAFETY_STATUS, self._on_safety, PROFILES["latched"])

    def _on_safety(self, msg):
        self.safety = msg

    async def estop(self) -> Finding:
        """Asks for an emergency stop, sees that motion is stopped, and re-arms."""
        name, fix = "e-stop", "do not run this robot; look at motion's log"
        try:
            await self._known()
            if self.safety.estop:
                return Finding(
                    name,
                    ERROR,
                    f"stopped already: {'; '.join(self.safety.stop_reasons)}",
                    "vipa operator: re-arm with `a`, then again",
                )
            answer = await self.services.call(
                topics.ESTOP, EStop.Request(reason="doctor: a test"), SERVICE_TIMEOUT_S, RETRY_S
            )
            stopped = await self.services.until(
                lambda: self.safety.estop and self._mode() == MotionStatus.STOPPED, STOP_TIMEOUT_S
            )
            if not (answer.stopped and stopped):
                return Finding(
                    name, ERROR, f"asked, and motion does not say within {STOP_TIMEOUT_S:g} s that it is stopped", fix
                )
            armed = await self.services.call(
                topics.REARM, ReArm.Request(operator_id=WHO, latch=self.safety.latch), SERVICE_TIMEOUT_S
            )
            if not armed.armed:
                return Finding(
                    name, ERROR, f"stopped, and cannot be re-armed: {armed.message}", "vipa operator: re-arm with `a`"
                )
            await self.services.until(lambda: not self.safety.estop, STOP_TIMEOUT_S)
            return Finding(name, OK, "stops motion, and re-arms")
        except VipaError as error:
            return Finding(name, ERROR, str(error), "vipa cell starts motion")

    async def dry_run(self, say: Callable[[str], None]) -> Finding:
        """Every arm to four places around the middle of its workspace and home, at a tenth of the speed, planned and through the gate."""
        name, fix = "dry run", "look at what stands there; task file: fixtures; robot file: workspace, home"
        try:
            await self._known()
            back = [(topics.TIGHTEN_LIMITS, request) for request in self._speeds(0.0)]
            reached, left = await self.moves.held(lambda: self._visit(say), back)
        except VipaError as error:
            silent = self.moves.silent("motion", "cell")
            return Finding(
                name, ERROR, str(error), "look at its log, start it again, and repeat this" if silent else fix
            )
        if left:
            level = ERROR if not reached else WARNING
            return Finding(name, level, f"{reached} of {reached + len(left)} places reached; {left[0]}", fix)
        return Finding(name, OK, f"{reached} places of the workspace and home, at {SLOW:.0%} of the speed")

    async def _visit(self, say: Callable[[str], None]) -> tuple[int, list[str]]:
        """Places reached, and why others were not; then home. Raises VipaError if no further place can be reached, or home is not."""
        reached, left = 0, []
        for request in self._speeds(SLOW):
            answer = await self.moves.ask(topics.TIGHTEN_LIMITS, request)
            if not answer.accepted:
                raise VipaError(f"{topics.TIGHTEN_LIMITS}: {answer.message}")
        for group in self.robot.arms:
            for number, pose in enumerate(self.places(group.name), 1):
                said = "reached"
                try:
                    request = PlanMotion.Request(group=group.name, pose=[convert.pose_msg(pose)])
                    await self.moves.to(request, slower=1 / SLOW)
                    reached += 1
                except Unreached as error:
                    said = f"{group.name} place {number}: {error.why}"
                    left.append(said)
                say(f"dry run, {group.name}, place {number} of 4: {said}")
        for group in self.robot.groups:
            await self.moves.to(PlanMotion.Request(group=group.name, named="home"), slower=1 / SLOW)
        return reached, left

    def places(self, arm: str) -> list[np.ndarray]:
        """(7,) tool poses in the base: around the middle of the workspace, the hand as at home."""
        group = self.robot.group(arm)
        home = Kinematics(self.robot).group(arm).forward(np.asarray(group.home, float))
        if group.workspace is None:
            low, high = home[:3] - 0.1, home[:3] + 0.1
        else:
            low, high = np.array(group.workspace.min), np.array(group.workspace.max)
        middle, reach = (low + high) / 2, INSIDE * (high - low)
        return [
            np.concatenate([middle + reach * [x, y, z], home[3:]])
            for x, y, z in ((-1, -1, 0), (-1, 1, 0), (0.4, 0.6, -0.4), (0.4, -0.6, 0.2))
        ]

    def _speeds(self, share: float) -> Iterator[TightenLimits.Request]:
        """What draws the speed of every arm to `share`, 0: loosens it again."""
        for group in self.robot.arms:
            request = TightenLimits.Request(group=group.name, requester_id=WHO)
            request.speed_scale, request.release = float(share), not share
            yield request

    async def _known(self) -> None:
        if not await self.services.until(
            lambda: self.safety is not None and self.moves.motion is not None, SERVICE_TIMEOUT_S
        ):
            raise VipaError(f"nothing heard from motion within {SERVICE_TIMEOUT_S:g} s")

    def _mode(self) -> int:
        return self.moves.motion.mode
