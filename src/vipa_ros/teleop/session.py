"""A person's session: free driving, demonstrations as episodes, takeover from another commander. Each wish is one event."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from rcl_interfaces.srv import ListParameters
from rclpy.action import ActionClient
from rclpy.callback_groups import ReentrantCallbackGroup
from vipa_msgs.action import RunEpisode
from vipa_msgs.msg import EpisodeMark, EpisodeStatus, Intervention
from vipa_msgs.srv import SetAuthority, TakeOver

from vipa import run_folder
from vipa.errors import VipaError
from vipa.recording import demonstration, topics
from vipa.recording.demonstration import Demonstration, Mark
from vipa.robot.description import Robot
from vipa.tasks.task import Task
from vipa_ros.common import convert
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import PROFILES
from vipa_ros.common.services import RETRY_S, Services
from vipa_ros.episode.operator_requests import OperatorRequests
from vipa_ros.episode.services import GREETING
from vipa_ros.teleop.cameras import Cameras
from vipa_ros.teleop.teleop_node import TeleopNode

SERVICE_WAIT_S = 5.0  # wall seconds for a service
TAKEOVER = {"pause": TakeOver.Request.PAUSE, "take": TakeOver.Request.TAKE, "give_back": TakeOver.Request.GIVE_BACK}


@dataclass(frozen=True)
class Plan:
    """What a demonstration is of. commander: who drives when it begins. runs: where run folders go. time_limit: seconds of ROS time.
    device: for the record. operator: the person's name."""

    task_name: str
    task: Task
    robot: Robot
    cell: str
    commander: str
    runs: Path
    device: str
    operator: str
    seed: int = 0
    variant: str = ""
    time_limit: float = 600.0


class Session:
    """Coroutines on `node`'s executor, one wish at a time, of those about who drives the last beside it; emergency stops at once.
    say(done, words): what came of a wish.

    cameras: whose pictures a demonstration needs, None: nobody looks.
    """

    def __init__(self, node: TeleopNode, plan: Plan | None, say: Callable[[bool, str], None], cameras: Cameras | None):
        self.node, self.plan, self.say, self.cameras = node, plan, say, cameras
        self.requests = OperatorRequests(node, say)
        self.client = ActionClient(node, RunEpisode, topics.RUN_EPISODE, callback_group=ReentrantCallbackGroup())
        kinds = {topics.SET_AUTHORITY: SetAuthority, topics.TAKE_OVER: TakeOver, GREETING: ListParameters}
        self.services = Services(node, kinds)  # after the action: who knows of the greeting knows of it
        self.marks = node.create_publisher(EpisodeMark, topics.EPISODE_MARK, PROFILES["stream"])
        self.busy = ""  # the wish that is being met
        self.after = ""  # who is to drive next, if that was wished meanwhile
        self.handle = None  # of the episode that this session runs
        self.folder: run_folder.RunFolder | None = None
        self.demo: Demonstration | None = None
        self.done = {"success": 0, "stopped": 0, "discarded": 0, "": 0}  # demonstrations by verdict
        self.intervention: Intervention | None = None
        self.over = False
        listen = Listener(node).on
        listen(Intervention, topics.INTERVENTION, self._on_intervention, PROFILES["latched"])

    def _on_intervention(self, msg):
        self.intervention = msg

    @property
    def running(self) -> bool:
        """An episode is being prepared or runs, whoever began it."""
        return (episode := self.requests.episode) is not None and episode.state in (
            EpisodeStatus.RESETTING,
            EpisodeStatus.RUNNING,
        )

    def wish(self, event: str) -> None:
        """One of the device's session events."""
        if event == "estop":
            self.requests.ask("estop")
        elif event == "quit":
            self.over = True
        elif event in ("mark", "success", "stop", "discard"):
            self._end(event)
        elif event in TAKEOVER and self.busy in TAKEOVER:
            self.after = event  # the last one counts: nobody loses a takeover to the pause before it
        elif self.busy:
            self.say(False, f"{event}: {self.busy} is not over yet")
        else:
            self.busy = event
            self.node.executor.create_task(self._meet(event))

    async def _meet(self, event: str) -> None:
        try:
            if event in TAKEOVER:
                self.say(True, await self.take_over(event))
            elif event == "start":
                await self.begin()
            elif event == "drive":
                await self.drive()
            else:  # re-arm, home, recover: of a robot that nobody drives
                if not self.running:
                    await self.authority("")
                self.requests.ask(event)
        except VipaError as error:
            self.say(False, f"{event}: {error}")
        finally:
            self.busy, next_one, self.after = "", self.after, ""
            if next_one:
                self.wish(next_one)

    # driving without an episode

    async def authority(self, commander: str) -> None:
        """Gives the authority to `commander` ("": to nobody), in the name of teleop. Raises VipaError."""
        request = SetAuthority.Request(commander_id=commander, requester_id=self.node.commander.commander_id)
        answer = await self.services.call(topics.SET_AUTHORITY, request, SERVICE_WAIT_S, RETRY_S)
        if not answer.granted:
            raise VipaError(answer.message)

    async def drive(self) -> None:
        """Takes the robot for driving freely. Raises VipaError if somebody else has it."""
        await self.authority(self.node.commander.commander_id)

    async def take_over(self, event: str) -> str:
        """Pauses the episode's commander, takes over from it, or gives it back. Raises VipaError."""
        who = self.plan.operator if self.plan else "operator"
        request = TakeOver.Request(what=TAKEOVER[event], commander_id=self.node.commander.commander_id, operator_id=who)
        answer = await self.services.call(topics.TAKE_OVER, request, SERVICE_WAIT_S, RETRY_S)
        if not answer.accepted:
            raise VipaError(answer.message)
        return answer.message

    # demonstrations

    async def begin(self) -> None:
        """Starts a demonstration, unless a camera or the disk is not fit for it. Raises VipaError."""
        if self.plan is None:
            raise VipaError("this session was started beside a running graph, whose episodes others begin")
        if self.running or self.handle is not None:
            raise VipaError("an episode is running")
        if self.cameras is not None and (why := self.cameras.fault()):
            raise VipaError(why)
        plan = self.plan
        # a goal cannot be sent twice, and is lost, or its answer, if the task manager has not met this client yet
        await self.services.call(GREETING, ListParameters.Request(), SERVICE_WAIT_S, RETRY_S)
        run_folder.check_space(plan.runs, plan.robot, plan.cell, plan.time_limit)
        episode_id = str(uuid.uuid4())
        self.folder = run_folder.create(plan.runs, plan.task.name, episode_id, datetime.now())
        self.folder.write_config(
            teleop=plan.__dict__ | {"task": plan.task_name, "robot": plan.robot.name}, task=plan.task, robot=plan.robot
        )
        self.demo = Demonstration(
            demonstration.SCHEMA, episode_id, plan.task.name, plan.commander, plan.device, plan.operator
        )
        demonstration.write(self.folder.path, self.demo)
        await self.authority("")
        goal = RunEpisode.Goal(
            task=plan.task_name, commander=plan.commander, seed=plan.seed, variant=plan.variant, time_limit=plan.time_limit,
            episode_id=episode_id, run_folder=str(self.folder.path.resolve()),
        )  # fmt: skip
        handle = await self.services.within(self.client.send_goal_async(goal), SERVICE_WAIT_S)
        if handle is None:
            raise VipaError(f"the task manager did not answer within {SERVICE_WAIT_S:g} s")
        if not handle.accepted:
            raise VipaError("the task manager refuses the episode; its log says why")
        self.handle = handle
        self.plan = replace(plan, seed=plan.seed + 1)
        self.node.executor.create_task(self._finish(handle))

    def _end(self, event: str) -> None:
        """A mark, or the end of the demonstration with a verdict."""
        if self.handle is None or self.demo is None:
            self.say(False, f"{event}: no demonstration is running")
            return
        now = self.node.get_clock().now().nanoseconds
        kind = {"mark": "subtask", "stop": "stopped", "discard": "discarded"}.get(event, event)
        msg = EpisodeMark(episode_id=self.demo.episode_id, kind=kind, operator_id=self.demo.operator)
        msg.header.stamp = convert.time_msg(now)
        self.marks.publish(msg)
        self.demo = replace(self.demo, marks=[*self.demo.marks, Mark(now, kind)])
        if event == "mark":
            self.say(True, f"marked: part {sum(m.kind == kind for m in self.demo.marks)}")
        else:
            self.demo = replace(self.demo, verdict=kind)
            self.handle.cancel_goal_async()
        demonstration.write(self.folder.path, self.demo)

    async def _finish(self, handle) -> None:
        """Waits for the end of the episode, keeps what was said of it, and drives freely again."""
        result = (await handle.get_result_async()).result
        self.handle = None
        if self.cameras is not None:
            self.cameras.look()
            self.cameras.watch.remember()
        demo, folder = self.demo, self.folder
        if demo.verdict == "" and result.success:
            demo = replace(demo, verdict="success")
        if (seen := self.intervention) is not None and seen.episode_id == demo.episode_id:
            demo = replace(demo, interventions=seen.count)
        self.demo = None
        try:
            demonstration.write(folder.path, demo)
            where = demonstration.discard(folder.path) if demo.verdict == "discarded" else folder.path
            self.done[demo.verdict] += 1
            outcome = json.loads(result.scorecard)["outcome"] if result.scorecard else result.outcome
            self.say(True, f"{demo.verdict or outcome}: {where}")
            await self.drive()
        except VipaError as error:
            self.say(False, str(error))
