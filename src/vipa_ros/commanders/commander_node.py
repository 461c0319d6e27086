"""The shell around every commander: what it sees in, its chunks out, at its own period of ROS time."""

import time
import uuid
from collections.abc import Callable

from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState
from vipa_msgs.msg import ActionChunk as ActionChunkMsg
from vipa_msgs.msg import CommanderStatus, EpisodeStatus, GroundTruth, MotionStatus

from vipa.commanders.commander import Commander, CommanderInput, EpisodeStart
from vipa.errors import NoChunk
from vipa.motion.chunk import ActionChunk
from vipa.motion.liveness import MAX_HAND_SKEW_S
from vipa.recording import topics
from vipa.robot.description import Robot
from vipa.robot.joint_states import JointStates
from vipa.robot.measured import GroupReader
from vipa_ros.common import convert
from vipa_ros.common.listening import Listener
from vipa_ros.common.qos import PROFILES

STALE_S = 0.2  # seconds of ROS time that what a commander sees may be old; the slowest of it comes at 20 Hz
# wall seconds without a word of the task manager after which an episode counts as abandoned
TASK_MANAGER_TIMEOUT_S = 2.0


class CommanderNode(Node):
    """Steps a Commander while an episode runs and it holds the authority: as soon as it may, and every period from then. Single
    thread.

    make: called with the node, whose parameters it reads; gives the robot, the commander and `look`, which gives the
    observation at a time in ns, or the reason why there is none (a str): then nothing is sent. None: it does not look.
    """

    def __init__(self, name: str, make: Callable[[Node], tuple[Robot, Commander, Callable | None]]):
        super().__init__(name)
        robot, commander, look = make(self)
        self.commander, self.look = commander, look
        self.reader = GroupReader(robot)
        self.joints = self.status = self.truth = None
        self.episode_id = ""
        self.running = self.starting = False  # starting: its first step in the episode is still to come
        self.lost, self.since_ns = False, 0  # it had the robot and has lost it; ROS time at which it was given back
        self.heard = 0.0  # local clock, seconds: the task manager's last word
        stream, latched = PROFILES["stream"], PROFILES["latched"]
        self.chunks = self.create_publisher(ActionChunkMsg, topics.ACTION_CHUNK, stream)
        self.report = self.create_publisher(CommanderStatus, topics.COMMANDER_STATUS, stream)
        self.states, listen = JointStates(robot), Listener(self).on
        listen(JointState, topics.JOINT_STATES, self.on_joints, stream)
        listen(MotionStatus, topics.MOTION_STATUS, self.on_status, stream)
        listen(EpisodeStatus, topics.EPISODE_STATUS, self.on_episode, latched)
        for group in robot.arms:
            listen(WrenchStamped, group.wrench_topic, lambda msg, g=group.name: self.on_wrench(g, msg), stream)
        self.wants_truth = getattr(commander, "wants_truth", not commander.wants_cameras)
        if self.wants_truth:
            listen(GroundTruth, topics.GROUND_TRUTH, self.on_truth, stream)
        self.timer = self.create_timer(commander.period, self.step)
        self.get_logger().info(f"commander ready: {commander.commander_id}")

    def on_joints(self, msg):
        why = self.states.take(convert.joint_state(msg))
        self.joints = self.states.merged()
        if why:
            raise ValueError(why)

    def on_status(self, msg):
        self.status = convert.motion_status(msg)
        if not self.may_move():
            self.lost = self.lost or (self.running and not self.starting)
        elif self.lost:
            self.lost, self.since_ns = False, self.status.stamp_ns
        self.first_step()

    def on_truth(self, msg):
        self.truth = convert.truth(msg)

    def on_wrench(self, group, msg):
        self.reader.wrench(group, convert.wrench(msg))

    def on_episode(self, msg):
        self.heard = time.monotonic()
        self.running = msg.state == msg.RUNNING and msg.commander == self.commander.commander_id
        if self.running and msg.episode_id != self.episode_id:
            self.episode_id = msg.episode_id or str(uuid.uuid4())
            self.begin_episode(EpisodeStart(msg.episode_id, msg.task, msg.instruction, msg.seed, msg.variant))
            self.starting, self.lost, self.since_ns = True, False, 0
        self.first_step()

    def first_step(self):
        """The first step of an episode, from which the others are counted."""
        if self.starting and self.may_move():
            self.starting = False
            self.timer.reset()
            self.step()

    def begin_episode(self, start: EpisodeStart):
        self.commander.reset(start)

    def may_move(self) -> bool:
        """An episode of its own runs, and it holds the authority."""
        return self.running and self.status is not None and self.status.authority == self.commander.commander_id

    def see(self) -> CommanderInput | None:
        """What the commander sees now; None, and the reason published, if it must not act."""
        if self.wants_truth and self.truth is None:
            return self.say("no ground truth: a commander without cameras needs a simulated cell")
        if time.monotonic() - self.heard > TASK_MANAGER_TIMEOUT_S:
            return self.say("the task manager is silent")
        now = self.get_clock().now().nanoseconds
        if why := self.late(now):
            return self.say(why)
        observation = None
        if self.look:
            observation = self.look(now)
            if isinstance(observation, str):
                return self.say(observation)
            if observation.stamp_ns <= self.since_ns:
                return self.say("waits for an observation of after it was given the robot back")
        return self.seen(now, observation)

    def late(self, now_ns: int) -> str:
        """'' or what of the joint states, motion's status and the ground truth is missing or too old at `now_ns`."""
        if self.joints is None:
            return self.states.missing()
        heard = [("joint state", self.joints.stamp_ns, STALE_S), ("the hands' joint state", self.states.hand_ns, MAX_HAND_SKEW_S),
                 ("motion status", self.status.stamp_ns, STALE_S)]  # fmt: skip
        if self.truth is not None:
            heard.append(("ground truth", self.truth.stamp_ns, STALE_S))
        for what, stamp_ns, allowed in heard:
            if (age := (now_ns - stamp_ns) / 1e9) > allowed:
                return f"{what} is {age:.2f} s old; allowed: {allowed:g} s"
        return ""

    def seen(self, now_ns: int, observation=None) -> CommanderInput:
        """What has been heard, as the commander takes it."""
        return CommanderInput(now_ns, self.reader.groups(self.joints), self.status, observation, self.truth)

    def step(self):
        """One step of the commander, if it may move the robot."""
        if not self.may_move():
            return self.wait()
        if (seen := self.see()) is None:
            return None
        started = time.monotonic()
        try:
            chunk = self.commander.step(seen)
        except NoChunk as reason:
            return self.say(str(reason))
        self.send(chunk, started)
        return None

    def wait(self):
        """Says that it is there, and why it does nothing in an episode of its own."""
        self.say("motion has not given it the authority" if self.running else "")

    def send(self, chunk: ActionChunk | None, started: float):
        """Publishes `chunk` and that it was sent; started: monotonic seconds when the commander began with it."""
        if chunk is not None:
            self.chunks.publish(convert.chunk_msg(chunk))
        self.say("", chunk.seq if chunk else 0, (time.monotonic() - started) * 1e3)

    def say(self, reason, seq=0, step_ms=0.0):
        msg = CommanderStatus(
            commander_id=self.commander.commander_id, seq=seq, sent=seq > 0, reason=reason, step_ms=step_ms
        )
        msg.header.stamp = self.get_clock().now().to_msg()
        self.report.publish(msg)
        if reason:
            self.get_logger().warning(f"no chunk sent: {reason}", throttle_duration_sec=2.0)
