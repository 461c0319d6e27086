"""The shell around every commander: what it sees in, its chunks out, at its own period of ROS time."""

import time
import uuid
from collections.abc import Callable

from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState

from vipa_msgs.msg import ActionChunk as ActionChunkMsg
from vipa_msgs.msg import CommanderStatus, EpisodeStatus, GroundTruth, MotionStatus
from vipa_ros.commander import Commander, CommanderInput, EpisodeStart, NoChunk
from vipa_ros.motion.chunk import ActionChunk
from vipa_ros.robot.description import Robot
from vipa_ros.robot.measured import GroupReader
from vipa_ros.ros import convert, topics
from vipa_ros.ros.qos import PROFILES

STALE = 0.2  # seconds of ROS time that what a commander sees may be old; the slowest of it comes at 20 Hz
LEASE = 2.0  # wall seconds without a word of the task manager after which an episode counts as abandoned


class CommanderNode(Node):
    """Steps a Commander while an episode runs and it holds the authority. Single thread.

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
        self.running = False
        self.heard = 0.0  # local clock, seconds: the task manager's last word
        stream, latched = PROFILES["stream"], PROFILES["latched"]
        self.chunks = self.create_publisher(ActionChunkMsg, topics.ACTION_CHUNK, stream)
        self.report = self.create_publisher(CommanderStatus, topics.COMMANDER_STATUS, stream)
        self.create_subscription(JointState, topics.JOINT_STATES, self.on_joints, stream)
        self.create_subscription(MotionStatus, topics.MOTION_STATUS, self.on_status, stream)
        self.create_subscription(EpisodeStatus, topics.EPISODE_STATUS, self.on_episode, latched)
        for group in robot.arms:
            self.create_subscription(
                WrenchStamped, group.wrench_topic, lambda msg, g=group.name: self.on_wrench(g, msg), stream
            )
        if not commander.wants_cameras:
            self.create_subscription(GroundTruth, topics.GROUND_TRUTH, self.on_truth, stream)
        self.create_timer(commander.period, self.step)
        self.get_logger().info(f"commander ready: {commander.commander_id}")

    def on_joints(self, msg):
        self.joints = msg

    def on_status(self, msg):
        self.status = msg

    def on_truth(self, msg):
        self.truth = msg

    def on_wrench(self, group, msg):
        self.reader.wrench(group, convert.wrench(msg))

    def on_episode(self, msg):
        self.heard = time.monotonic()
        self.running = msg.state == msg.RUNNING and msg.commander == self.commander.commander_id
        if self.running and msg.episode_id != self.episode_id:
            self.episode_id = msg.episode_id or str(uuid.uuid4())
            self.begin_episode(EpisodeStart(msg.episode_id, msg.task, msg.instruction, msg.seed, msg.variant))

    def begin_episode(self, start: EpisodeStart):
        self.commander.reset(start)

    def may_move(self) -> bool:
        """An episode of its own runs, and it holds the authority."""
        if not self.running or self.status is None or self.joints is None:
            return False
        return self.status.authority == self.commander.commander_id

    def see(self) -> CommanderInput | None:
        """What the commander sees now; None, and the reason published, if it must not act."""
        if not self.commander.wants_cameras and self.truth is None:
            return self.say("no ground truth: a commander without cameras needs a simulated cell")
        if time.monotonic() - self.heard > LEASE:
            return self.say("the task manager is silent")
        now = self.get_clock().now().nanoseconds
        for what, msg in (("joint state", self.joints), ("motion status", self.status), ("ground truth", self.truth)):
            if msg is not None and (age := (now - convert.time_ns(msg.header.stamp)) / 1e9) > STALE:
                return self.say(f"{what} is {age:.2f} s old; allowed: {STALE:g} s")
        observation = None
        if self.look:
            observation = self.look(now)
            if isinstance(observation, str):
                return self.say(observation)
        return CommanderInput(
            now,
            self.reader.groups(convert.joint_state(self.joints)),
            convert.motion_status(self.status),
            observation,
            convert.truth(self.truth) if self.truth is not None else None,
        )

    def step(self):
        """One step of the commander, if it may move the robot."""
        if not self.may_move():
            return self.wait()
        if (seen := self.see()) is None:
            return
        started = time.monotonic()
        try:
            chunk = self.commander.step(seen)
        except NoChunk as reason:
            return self.say(str(reason))
        self.send(chunk, started)

    def wait(self):
        """Says that it is there, and why it does nothing in an episode of its own."""
        self.say("motion has not given it the authority" if self.running else "")

    def send(self, chunk: ActionChunk | None, started: float):
        """Publishes `chunk` and that it was sent; started: monotonic seconds when the commander began with it."""
        if chunk is not None:
            self.chunks.publish(convert.chunk_msg(chunk))
        self.say("", chunk.seq if chunk else 0, (time.monotonic() - started) * 1e3)

    def say(self, reason, seq=0, step_ms=0.0):
        msg = CommanderStatus(commander_id=self.commander.commander_id, seq=seq, sent=seq > 0, reason=reason, step_ms=step_ms)
        msg.header.stamp = self.get_clock().now().to_msg()
        self.report.publish(msg)
        if reason:
            self.get_logger().warning(f"no chunk sent: {reason}", throttle_duration_sec=2.0)
