"""Node `task_manager`: runs and scores task episodes behind the RunEpisode action.

Parameters: robot (name or path); cell (sim|real); policy, policy_sha256 (for the scorecard).
"""

import json
import math
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import JointState
from vipa_msgs.action import RunEpisode
from vipa_msgs.msg import ActionChunk, CommanderStatus, EpisodeStatus, GroundTruth, MotionStatus, SafetyStatus
from vipa_msgs.srv import JudgeSubTask

from vipa import files
from vipa.commanders import registry
from vipa.errors import VipaError
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa.robot.joint_states import JointStates
from vipa.robot.measured import GroupReader
from vipa.tasks import scorecard
from vipa.tasks.checks import CheckState
from vipa.tasks.silence import Silence
from vipa_ros.common import convert, node
from vipa_ros.common.diagnostics import name_of
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import PROFILES
from vipa_ros.episode.running import Running
from vipa_ros.episode.services import SERVICE_WAIT, EpisodeServices
from vipa_ros.episode.takeover import Takeover

SILENCE = {"motion": 4.0, "cell": 6.0}  # wall seconds after which one of them counts as dead
COMMANDER_SILENCE = 5.0  # seconds of ROS time that a commander may be silent, or only say why it sends nothing
COMMANDER_WAIT = 300.0  # wall seconds for a commander to appear: a large model takes its time to load
COMMANDER_HEARD = 3.0  # wall seconds since its last word within which a commander counts as there
CLOCK_JUMP = 1.0  # seconds of ROS time between two looks that count as a jump of the clock
ASLEEP = (
    1.0  # wall seconds between two timer calls: it was this node that stood still, and it knows nothing of the others
)
LOOK = 50_000_000  # ns between two looks at an episode in a real cell
NEW = 20_000_000  # ns of ROS time from the last state before a reset to one that is surely of after it
SETTLE = 0.5  # wall seconds from the start of the recording to the first command: subscriptions match


class TaskManager(Node):
    """One episode at a time. Single thread; the action's callback awaits, it never blocks."""

    def __init__(self):
        super().__init__("task_manager")
        self.robot = load_robot(node.parameter(self, "robot", str))
        self.cell = node.parameter(self, "cell", "sim")
        self.policy = node.parameter(self, "policy", registry.DEFAULT)
        self.policy_sha256 = node.parameter(self, "policy_sha256", "")
        self.reader = GroupReader(self.robot)
        self.fingers = frozenset(f for g in self.robot.arms if g.hand for f in g.hand.fingers)
        self.running: Running | None = None
        self.joints = self.motion = self.safety = None
        self.stamp_ns = 0
        self.heard: dict[str, float] = {}  # who → monotonic time of its last message
        self.silence = Silence(0)  # the commander's
        self.commanders: dict[str, float] = {}  # commander → monotonic time of its last word
        self.timer_time = time.monotonic()
        stream = PROFILES["stream"]
        self.status = self.create_publisher(EpisodeStatus, topics.EPISODE_STATUS, PROFILES["latched"])
        listen, self.states = Listener(self).on, JointStates(self.robot)
        listen(JointState, topics.JOINT_STATES, self.on_joints, stream)
        listen(GroundTruth, topics.GROUND_TRUTH, self.on_truth, stream)
        listen(MotionStatus, topics.MOTION_STATUS, self.on_motion, stream)
        listen(SafetyStatus, topics.SAFETY_STATUS, self.on_safety, PROFILES["latched"])
        listen(ActionChunk, topics.ACTION_CHUNK, self.on_chunk, stream)
        listen(CommanderStatus, topics.COMMANDER_STATUS, self.on_commander, stream)
        listen(DiagnosticArray, topics.DIAGNOSTICS, self.on_diagnostics, stream)
        self.create_service(JudgeSubTask, topics.JUDGE_SUBTASK, self.on_judge)
        self.others, self.takeover = EpisodeServices(self), Takeover(self)
        group = ReentrantCallbackGroup()
        self.action = ActionServer(
            self, RunEpisode, topics.RUN_EPISODE, self.execute, goal_callback=self.on_goal,
            cancel_callback=lambda handle: CancelResponse.ACCEPT, callback_group=group,
        )  # fmt: skip
        self.create_timer(0.2, self.on_timer, clock=node.steady_clock(), callback_group=group)
        self.get_logger().info("task manager ready")

    def on_goal(self, goal):
        """One episode at a time, of a task that exists."""
        try:
            if self.running:
                raise VipaError(f"episode {self.running.id} is running")
            self.running = Running(goal, self.robot, self.cell, self.executor)
        except VipaError as error:
            self.get_logger().error(f"episode refused: {error}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    async def execute(self, handle):
        """The action: reset, record, hand over authority, score, take it back, close the bag, write the scorecard."""
        run = self.running
        run.handle = handle
        try:
            await self.begin(run)
            await run.finished
        except VipaError as error:
            run.scorer.stop("error", "bring-up", str(error))
        card = self.finish(run, await self.end(run))
        handle.canceled() if handle.is_cancel_requested else handle.succeed()
        result = RunEpisode.Result(outcome=card.outcome, success=card.success, subtask_score=card.subtask_score)
        result.scorecard = json.dumps(scorecard.to_dict(card))
        return result

    def finish(self, run, recorded):
        """Scores the episode that has ended and writes its scorecard. recorded: the recorder's summary."""
        card = scorecard.score(
            run.scorer,
            episode_id=run.id,
            robot=self.robot.name,
            cell=self.cell,
            commander=run.goal.commander,
            seed=run.goal.seed,
            variant=run.variant,
            wall_s=time.monotonic() - run.wall,
            policy=scorecard.policy_id(self.policy, self.policy_sha256),
            timing=run.samples.timing(sum(recorded["dropped"].values()) if "dropped" in recorded else None),
        )
        if run.folder:
            if problem := scorecard.save(card, run.folder):
                self.get_logger().error(problem)
        self.publish(run)
        self.running = None
        return card

    def close(self):
        """Ended in the middle of an episode it scores that one still; recorder and motion end by themselves."""
        if run := self.running:
            run.scorer.stop("stopped", "interrupted", "the graph was ended")
            run.state = EpisodeStatus.FINISHED
            self.finish(run, {})

    async def begin(self, run):
        """From the goal to the first tick of the episode. Raises VipaError."""
        self.publish(run)
        await self.commander(run)
        card = await self.others.reset(run)
        run.variant = card["variant"]
        if self.cell == "sim":
            await self.others.pause(SETTLE)
            await self.rearm()
        if run.folder:
            files.write_json(run.folder / "scene.json", card)
            await self.others.record(run)
            await self.others.pause(SETTLE)
        await self.others.grant(run.goal.commander)
        self.heard = dict.fromkeys(SILENCE, time.monotonic())
        self.silence = Silence(self.stamp_ns)
        run.state = EpisodeStatus.RUNNING
        self.get_logger().info(f"episode {run.id} of {run.task.name} begins; {run.goal.commander} moves")
        self.publish(run)

    async def commander(self, run):
        """Until the commander of `run` is there: it may load a model first, and ask it. Raises VipaError."""
        who, began = run.goal.commander, time.monotonic()
        while not self.is_there(who):
            if run.handle.is_cancel_requested:
                run.scorer.stop("stopped", "cancelled", "cancelled by the client")
            if run.scorer.outcome or time.monotonic() - began > COMMANDER_WAIT:
                raise VipaError(f"commander '{who}' is not there after {time.monotonic() - began:.0f} s")
            await self.others.pause(0.05)

    async def rearm(self):
        """Motion takes the reset cell as it stands: the arm has jumped home. An operator's e-stop is never left this way."""
        reset_ns = self.joints.stamp_ns if self.joints else 0
        deadline = time.monotonic() + SERVICE_WAIT
        why = "it has heard no joint states of the reset cell"
        while time.monotonic() < deadline:
            if self.safety is not None and self.safety.estop:
                raise VipaError(
                    f"e-stop is latched ({'; '.join(self.safety.stop_reasons)}); re-arm first: {topics.REARM}"
                )
            seen = self.motion is not None and convert.time_ns(self.motion.header.stamp) > reset_ns + NEW
            if (
                seen
                and self.motion.joint_state_age >= 0
                and not (why := await self.others.rearm(self.safety.latch if self.safety else 0))
            ):
                return
            await self.others.pause(0.05)
        raise VipaError(f"motion cannot start: {why}")

    async def end(self, run) -> dict:
        """Takes the authority back and closes the bag, whatever happened. Returns the recorder's summary."""
        run.state = EpisodeStatus.FINISHED
        self.publish(run)
        return await self.others.farewell(run)

    def on_joints(self, msg):
        why = self.states.take(convert.joint_state(msg))
        self.joints = self.states.merged()
        if self.cell == "real" and self.joints is not None:
            if not 0 <= self.joints.stamp_ns - self.stamp_ns < LOOK:
                self.look(self.joints.stamp_ns, None)
        if why:
            raise ValueError(why)

    def on_truth(self, msg):
        truth = convert.truth(msg)
        self.look(truth.stamp_ns, truth)

    def look(self, stamp_ns, truth):
        """A look at the episode: 20 Hz. truth: None in a real cell."""
        before, self.stamp_ns = self.stamp_ns, stamp_ns
        if not 0 <= self.stamp_ns - before < CLOCK_JUMP * 1e9:
            self.silence = Silence(self.stamp_ns)
        self.heard["cell"] = time.monotonic()
        run = self.running
        if run is None or run.state != EpisodeStatus.RUNNING or self.joints is None or run.finished.done():
            return
        groups = self.reader.groups(self.joints)
        state, before = CheckState(self.stamp_ns, truth, groups, self.fingers, run.verdicts), run.scorer.statuses
        try:
            run.look(state)
        except VipaError as error:
            run.scorer.stop("error", "task", str(error))
        if self.motion and self.motion.mode == MotionStatus.STOPPED:
            run.scorer.stop("stopped", "safety stop", self.motion.reasons[0] if self.motion.reasons else "")
        if run.handle.is_cancel_requested:
            run.scorer.stop("stopped", "cancelled", "cancelled by the client")
        if run.wants != run.scorer.wants:
            run.wants = run.scorer.wants
            if run.driver:
                self.others.want(run)
        if before != run.scorer.statuses:
            self.publish(run)
        if run.scorer.outcome:
            run.finished.set_result(None)

    def on_judge(self, request, response):
        answer = self.running.judge(request.subtask, request.done) if self.running else (False, "no episode is running")
        response.accepted, response.message = answer
        return response

    def on_motion(self, msg):
        self.motion = msg
        self.heard["motion"] = time.monotonic()
        if self.running and self.running.state == EpisodeStatus.RUNNING:
            self.running.samples.motion(msg.observation_age, msg.jitter_ms_p99)

    def on_safety(self, msg):
        self.safety = msg

    def on_chunk(self, msg):
        run = self.running
        if run and run.state == EpisodeStatus.RUNNING and msg.commander_id == run.goal.commander:
            run.samples.chunk(self.stamp_ns, convert.time_ns(msg.start_time), msg.dt)

    def on_commander(self, msg):
        self.commanders[msg.commander_id] = time.monotonic()
        if self.running is None or msg.commander_id != self.running.goal.commander:
            return
        self.silence.heard(msg.reason, self.stamp_ns)
        if self.running.state == EpisodeStatus.RUNNING and msg.sent and math.isfinite(msg.step_ms):
            self.running.samples.policy_ms.append(msg.step_ms)

    def on_diagnostics(self, msg):
        """An episode that can't be recorded any more ends."""
        run = self.running
        if run is None or run.folder is None or run.state != EpisodeStatus.RUNNING:
            return
        for status in msg.status:
            if status.name == name_of("recorder") and status.level == DiagnosticStatus.ERROR:
                run.scorer.stop("error", "recorder", status.message)

    def on_timer(self):
        now, run = time.monotonic(), self.running
        if now - self.timer_time > ASLEEP:
            self.heard = dict.fromkeys(SILENCE, now)
        self.timer_time = now
        if run is None:
            return
        self.publish(run)
        if run.state != EpisodeStatus.RUNNING or run.finished.done():
            return
        if run.handle.is_cancel_requested:
            run.scorer.stop("stopped", "cancelled", "cancelled by the client")
        for who, limit in SILENCE.items():
            if now - self.heard[who] > limit:
                why = self.states.missing() if who == "cell" else ""
                run.scorer.stop("error", who, f"{why or f'nothing heard from the {who}'} for {limit:g} s")
        if self.takeover.watch(run):
            self.forget_silence()
        if self.silence.seconds(self.stamp_ns) > COMMANDER_SILENCE:
            why = self.silence.longest(self.stamp_ns) or "nothing heard from it"
            run.scorer.stop("error", "commander", f"{why}, for {COMMANDER_SILENCE:g} s of ROS time")
        if run.scorer.outcome:
            run.finished.set_result(None)

    def forget_silence(self):
        """The commander's silence counts from now."""
        self.silence = Silence(self.stamp_ns)

    def is_there(self, commander) -> bool:
        """Whether `commander` has said something of late."""
        return time.monotonic() - self.commanders.get(commander, -COMMANDER_HEARD) <= COMMANDER_HEARD

    def publish(self, run):
        msg = run.message(self.stamp_ns)
        self.status.publish(msg)
        self.takeover.publish(run)
        if run.state != EpisodeStatus.FINISHED and run.handle and run.handle.is_active:
            run.handle.publish_feedback(RunEpisode.Feedback(status=msg))


def main():
    node.run(TaskManager)


if __name__ == "__main__":
    main()
