"""How an episode opens: its commander is there, the cell is reset, motion armed, the bag open, the authority handed over."""

import time
from dataclasses import dataclass, field

from rclpy.node import Node
from vipa_msgs.msg import MotionStatus, SafetyStatus

from vipa import files
from vipa.errors import VipaError
from vipa.recording import topics
from vipa.robot.state import JointState
from vipa_ros.common import convert
from vipa_ros.episode.running import Running
from vipa_ros.episode.services import SERVICE_WAIT_S, EpisodeServices

COMMANDER_WAIT_S = 300.0  # wall seconds for a commander to appear: a large model takes its time to load
COMMANDER_HEARD_S = 3.0  # wall seconds since its last word within which a commander counts as there
AFTER_RESET_NS = 20_000_000  # of ROS time from the last state before a reset to one that is surely of after it
SETTLE_S = 0.5  # wall seconds from the start of the recording to the first command: subscriptions match
POLL_S = 0.05  # wall seconds between two looks for what is waited for


@dataclass
class Heard:
    """The newest that the task manager has heard of the others. commanders: commander_id → monotonic seconds of its last word."""

    joints: JointState | None = None
    motion: MotionStatus | None = None
    safety: SafetyStatus | None = None
    commanders: dict[str, float] = field(default_factory=dict)

    def is_there(self, commander: str) -> bool:
        """Whether `commander` has said something of late."""
        return time.monotonic() - self.commanders.get(commander, float("-inf")) <= COMMANDER_HEARD_S


class Opening:
    """Coroutines on `node`'s executor. heard: kept up to date by the node."""

    def __init__(self, node: Node, heard: Heard):
        self.services, self.heard = EpisodeServices(node), heard

    async def open(self, run: Running) -> None:
        """From the goal to the first tick of the episode. Raises VipaError."""
        await self._commander(run)
        card = await self.services.reset(run)
        run.variant = card["variant"]
        if run.cell == "sim":
            await self.services.pause(SETTLE_S)
            await self._rearm()
        if run.folder:
            files.write_json(run.folder / "scene.json", card)
            await self.services.record(run)
            await self.services.pause(SETTLE_S)
        await self.services.grant(run.commander)

    async def _commander(self, run: Running) -> None:
        """Waits until the commander of `run` is there: it may load a model first, and ask it. Raises VipaError."""
        began = time.monotonic()
        while not self.heard.is_there(run.commander):
            run.cancel_if_asked()
            if run.outcome or time.monotonic() - began > COMMANDER_WAIT_S:
                raise VipaError(f"commander '{run.commander}' is not there after {time.monotonic() - began:.0f} s")
            await self.services.pause(POLL_S)

    async def _rearm(self) -> None:
        """Re-arms motion after a cell reset, which puts the joints home. Never clears an operator's e-stop. Raises VipaError."""
        heard = self.heard
        reset_ns = heard.joints.stamp_ns if heard.joints else 0
        deadline = time.monotonic() + SERVICE_WAIT_S
        why = "it has heard no joint states of the reset cell"
        while time.monotonic() < deadline:
            if heard.safety is not None and heard.safety.estop:
                stops = "; ".join(heard.safety.stop_reasons)
                raise VipaError(f"e-stop is latched ({stops}); re-arm first: {topics.REARM}")
            seen = heard.motion is not None and convert.time_ns(heard.motion.header.stamp) > reset_ns + AFTER_RESET_NS
            if seen and heard.motion.joint_state_age >= 0:
                why = await self.services.rearm(heard.safety.latch if heard.safety else 0)
                if not why:
                    return
            await self.services.pause(POLL_S)
        raise VipaError(f"motion cannot start: {why}")
