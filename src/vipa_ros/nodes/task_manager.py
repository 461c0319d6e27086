"""Node `task_manager`: runs and scores task episodes behind the RunEpisode action.

Parameters: robot (name or path); cell (sim|real); policy, policy_sha256 (for the scorecard).
"""

import json
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from vipa_msgs.action import RunEpisode
from vipa_msgs.msg import ActionChunk, CommanderStatus, EpisodeStatus, GroundTruth, MotionStatus, SafetyStatus
from vipa_msgs.srv import JudgeSubTask

from vipa.commanders import registry
from vipa.errors import VipaError
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa.robot.joint_states import JointStates
from vipa.robot.measured import GroupReader
from vipa.tasks import scorecard
from vipa.tasks.heartbeats import SILENCE_S, Heartbeats
from vipa.tasks.runner import EpisodePhase
from vipa_ros.cameras.reader import CameraReader
from vipa_ros.common import convert, lockstep, node
from vipa_ros.common.diagnostics import name_of
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import CLOCK_READER, PROFILES
from vipa_ros.episode.opening import Heard, Opening
from vipa_ros.episode.running import Running, status_msg
from vipa_ros.episode.takeover import Takeover

LOOK_NS = 50_000_000  # between two looks at an episode in a real cell


class TaskManagerNode(Node):
    """One episode at a time. Single thread; the action's callback awaits, it never blocks."""

    def __init__(self):
        super().__init__("task_manager")
        self.robot = load_robot(node.parameter(self, "robot", str))
        self.cell = node.parameter(self, "cell", "sim")
        self.policy = node.parameter(self, "policy", registry.DEFAULT)
        self.policy_sha256 = node.parameter(self, "policy_sha256", "")
        self.reader = GroupReader(self.robot)
        self.running: Running | None = None
        self.last: Running | None = None  # the episode before
        self.heard = Heard()
        self.stamp_ns = 0
        self.heartbeats = Heartbeats(SILENCE_S, time.monotonic())
        self.cameras: dict[tuple[str, ...], CameraReader] = {}  # by the cameras that a task is judged through
        stream = PROFILES["stream"]
        self.status = self.create_publisher(EpisodeStatus, topics.EPISODE_STATUS, PROFILES["latched"])
        listen, self.states = Listener(self).on, JointStates(self.robot)
        self.standing = lockstep.Standing()
        listen(Clock, topics.CLOCK, self.on_clock, CLOCK_READER)
        listen(JointState, topics.JOINT_STATES, self.on_joints, stream)
        listen(GroundTruth, topics.GROUND_TRUTH, self.on_truth, stream)
        listen(MotionStatus, topics.MOTION_STATUS, self.on_motion, stream)
        listen(SafetyStatus, topics.SAFETY_STATUS, self.on_safety, PROFILES["latched"])
        listen(ActionChunk, topics.ACTION_CHUNK, self.on_chunk, stream)
        listen(CommanderStatus, topics.COMMANDER_STATUS, self.on_commander, stream)
        listen(DiagnosticArray, topics.DIAGNOSTICS, self.on_diagnostics, stream)
        self.create_service(JudgeSubTask, topics.JUDGE_SUBTASK, self.on_judge)
        self.opening = Opening(self, self.heard)
        self.others, self.takeover = self.opening.services, Takeover(self)
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
            self.publish(run)
            await self.opening.open(run)
            self.begin(run)
            await run.finished
        except VipaError as error:
            run.fail("bring-up", str(error))
        run.end()
        self.publish(run)
        card = self.finish(run, await self.others.farewell(run))
        handle.canceled() if handle.is_cancel_requested else handle.succeed()
        result = RunEpisode.Result(outcome=card.outcome, success=card.success, subtask_score=card.subtask_score)
        result.scorecard = json.dumps(scorecard.to_dict(card))
        return result

    def finish(self, run, recorded):
        """Scores the episode that has ended and writes its scorecard. recorded: the recorder's summary."""
        dropped = sum(recorded["dropped"].values()) if "dropped" in recorded else None
        policy = scorecard.policy_id(self.policy, self.policy_sha256)
        card = run.scorecard(time.monotonic() - run.wall, policy, dropped)
        if run.folder and (problem := scorecard.save(card, run.folder)):
            self.get_logger().error(problem)
        self.publish(run)
        self.running, self.last = None, run
        return card

    def close(self):
        """Ended in the middle of an episode it scores that one still; recorder and motion end by themselves."""
        if run := self.running:
            run.scorer.stop("stopped", "interrupted", "the graph was ended")
            run.end()
            self.finish(run, {})

    def begin(self, run):
        """The commander has the authority: the episode runs."""
        self.heartbeats.restart(time.monotonic())
        run.begin(self.stamp_ns)
        self.get_logger().info(f"episode {run.id} of {run.task.name} begins; {run.commander} moves")
        self.publish(run)

    @property
    def under_way(self) -> Running | None:
        """The episode that runs, None before its commander may move and once it has an outcome."""
        return self.running if self.running and self.running.under_way else None

    def on_joints(self, msg):
        why = self.states.take(convert.joint_state(msg))
        self.heard.joints = joints = self.states.merged()
        if self.cell == "real" and joints is not None and not 0 <= joints.stamp_ns - self.stamp_ns < LOOK_NS:
            self.look(joints.stamp_ns, None)
        if why:
            raise ValueError(why)

    def on_truth(self, msg):
        truth = convert.truth(msg)
        self.look(truth.stamp_ns, truth)

    def look(self, stamp_ns, truth):
        """A look at the episode: 20 Hz. truth: None in a real cell."""
        self.stamp_ns = stamp_ns
        self.heartbeats.heard("cell", time.monotonic())
        run, motion = self.under_way, self.heard.motion
        if self.running:
            self.running.advance(stamp_ns)
        if run is None or self.heard.joints is None:
            return
        changed = run.look(self.reader.groups(self.heard.joints), truth, self.seen(run.task.watched))
        if motion and motion.mode == MotionStatus.STOPPED:
            run.safety_stop(motion.reasons[:1])
        run.cancel_if_asked()
        if run.wants_changed() is not None and run.driver:
            self.others.want(run)
        if changed:
            self.publish(run)
        run.finish_if_over()

    def seen(self, watched):
        """The newest captures of the cameras `watched`, which a task is judged through."""
        if not watched:
            return None
        if watched not in self.cameras:
            self.cameras[watched] = CameraReader(self, self.robot, watched, "", self.cell == "sim")
        self.cameras[watched].observe(self.stamp_ns)
        return self.cameras[watched].frames

    def on_judge(self, request, response):
        run = self.running or self.last  # the last one's verdict may have ended it, and its answer be lost
        response.accepted, response.message = run.judge(request.subtask, request.done) if run else (False, "")
        if not self.running and not response.accepted:
            response.message = "no episode is running"
        return response

    def on_clock(self, msg):
        """On a machine that gives motion no time the cell waits for it longer than a dead one is waited for."""
        if self.standing.waits(convert.time_ns(msg.clock)):
            self.heartbeats.heard("cell", time.monotonic())

    def on_motion(self, msg):
        self.heard.motion = msg
        self.heartbeats.heard("motion", time.monotonic())
        if self.running:
            self.running.motion_said(msg.observation_age, msg.jitter_ms_p99)

    def on_safety(self, msg):
        self.heard.safety = msg

    def on_chunk(self, msg):
        if self.running:
            self.running.chunk_came(msg.commander_id, convert.time_ns(msg.start_time), msg.dt)

    def on_commander(self, msg):
        self.heard.commanders[msg.commander_id] = time.monotonic()
        if self.running and msg.commander_id == self.running.commander:
            self.running.commander_said(msg.reason, msg.sent, msg.step_ms)

    def on_diagnostics(self, msg):
        """An episode that can't be recorded any more ends."""
        run = self.under_way
        if run is None or run.folder is None:
            return
        for status in msg.status:
            if status.name == name_of("recorder") and status.level == DiagnosticStatus.ERROR:
                run.fail("recorder", status.message)

    def on_timer(self):
        silent = self.heartbeats.silent(time.monotonic())
        if self.running:
            self.publish(self.running)
        run = self.under_way
        if run is None:
            return
        run.cancel_if_asked()
        for who in silent:
            why = self.states.missing() if who == "cell" else ""
            run.fail(who, f"{why or f'nothing heard from the {who}'} for {SILENCE_S[who]:g} s")
        self.takeover.watch(run)
        run.watch_commander()
        run.finish_if_over()

    def publish(self, run):
        msg = status_msg(run, self.stamp_ns)
        self.status.publish(msg)
        self.takeover.publish(run)
        if run.phase is not EpisodePhase.FINISHED and run.handle and run.handle.is_active:
            run.handle.publish_feedback(RunEpisode.Feedback(status=msg))


def main():
    node.run(TaskManagerNode)


if __name__ == "__main__":
    main()
