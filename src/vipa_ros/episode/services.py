"""What the task manager asks of the other nodes around an episode: reset, record, hand over authority, and take it back."""

import json

from rclpy.node import Node
from vipa_msgs.srv import ReArm, RecordEpisode, ResetCell, SetAuthority, SetTaskContext

from vipa.errors import VipaError
from vipa.recording import topics
from vipa_ros.common import convert
from vipa_ros.common.services import RETRY_S, Services
from vipa_ros.episode.running import Running

WHO = "task_manager"
GREETING = f"/{WHO}/list_parameters"  # a service of its node that changes nothing
SERVICE_WAIT_S = 10.0  # wall seconds for a service to appear and to answer
RESET_RETRY_S = 4.0  # wall seconds without an answer after which a simulated cell, which resets in some tenths of one, is asked again
# wall seconds for a real cell to go home: a plan and a slow motion for every arm, each bounded by the homing
HOMING_WAIT_S = 600.0
FAREWELL_WAIT_S = 1.5  # the same at the end of an episode, when who should answer may be what died
KINDS = {
    topics.RESET_CELL: ResetCell,
    topics.RECORD_EPISODE: RecordEpisode,
    topics.SET_AUTHORITY: SetAuthority,
    topics.TASK_CONTEXT: SetTaskContext,
    topics.REARM: ReArm,
}


def check_card(card: dict, run: Running) -> None:
    """Raises VipaError if the cell that gave the scene card `card` has another task or robot file than `run` is scored by."""
    for what, ours in (("task", run.task_sha256), ("robot", run.robot_sha256)):
        if card.get(f"{what}_sha256", ours) != ours:
            raise VipaError(f"the cell was started for another {what} file than this episode is to be scored by")


class EpisodeServices:
    """Coroutines on `node`'s executor. Each raises VipaError if a service does not answer or refuses."""

    def __init__(self, node: Node):
        self.logger, self.remote = node.get_logger(), Services(node, KINDS)

    async def pause(self, seconds: float) -> None:
        """Lets wall time pass."""
        await self.remote.pause(seconds)

    async def reset(self, run: Running) -> dict:
        """The scene card of the cell, reset for `run`. A real one, which moves for it, is asked once."""
        request = ResetCell.Request(task=run.task.name, seed=run.seed, variant=run.variant)
        wait, again = (SERVICE_WAIT_S, RESET_RETRY_S) if run.cell == "sim" else (HOMING_WAIT_S, 0.0)
        answer = await self.remote.call(topics.RESET_CELL, request, wait, again)
        if not answer.success:
            raise VipaError(f"reset of the cell: {answer.message}")
        card = json.loads(answer.scene_card)
        check_card(card, run)
        return card

    async def rearm(self, latch: int) -> str:
        """'' if motion is armed, else why not. latch: number of the newest stop that is known."""
        answer = await self.remote.call(topics.REARM, ReArm.Request(operator_id=WHO, latch=latch), SERVICE_WAIT_S)
        return "" if answer.armed else answer.message or "refused"

    async def record(self, run: Running) -> None:
        """The recorder writes the bag of `run` from now on."""
        request = RecordEpisode.Request(
            record=True, folder=str(run.folder / "bag"), episode_id=run.id, task=run.task.name
        )
        answer = await self.remote.call(
            topics.RECORD_EPISODE, request, SERVICE_WAIT_S, RETRY_S
        )  # the recorder knows the episode
        if not answer.success:
            raise VipaError(f"recorder: {answer.message}")

    async def grant(self, commander: str) -> None:
        """`commander` may move the robot from now on."""
        request = SetAuthority.Request(commander_id=commander, requester_id=WHO)
        answer = await self.remote.call(topics.SET_AUTHORITY, request, SERVICE_WAIT_S, RETRY_S)
        if not answer.granted:
            raise VipaError(f"authority: {answer.message}")

    def want(self, run: Running) -> None:
        """Tells motion what the sub-tasks of `run` want. The answer is not waited for; a refusal ends the episode as an error."""

        def answered(future):
            answer = future.result()
            if answer is not None and not answer.accepted:
                run.wants_refused(answer.message)

        self.remote.send(topics.TASK_CONTEXT, convert.task_context(run.wants, WHO), answered)

    async def farewell(self, run: Running) -> dict:
        """Takes authority and allowed contacts back and closes the bag, whoever does not answer. The recorder's summary."""
        for request, name in (
            (SetAuthority.Request(requester_id=WHO), topics.SET_AUTHORITY),
            (SetTaskContext.Request(requester_id=WHO), topics.TASK_CONTEXT),
        ):
            try:
                await self.remote.call(name, request, FAREWELL_WAIT_S, RETRY_S / 2)
            except VipaError as error:
                self.logger.error(str(error))
        if run.folder:
            request = RecordEpisode.Request(record=False, episode_id=run.id)
            try:
                answer = await self.remote.call(topics.RECORD_EPISODE, request, SERVICE_WAIT_S, RETRY_S)
                if not answer.success:
                    self.logger.error(f"recorder: {answer.message}")
                return json.loads(answer.summary) if answer.success else {}
            except VipaError as error:
                self.logger.error(str(error))
        return {}
