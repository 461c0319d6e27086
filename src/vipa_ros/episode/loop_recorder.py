"""The bag of an in-process episode: the same topics as the graph's, serialized without a graph."""

from pathlib import Path

from rclpy.serialization import serialize_message
from std_msgs.msg import String

from vipa.rates import Every
from vipa.recording import definitions, topics
from vipa.recording.bag import BagWriter
from vipa.robot import urdf
from vipa_ros.cameras.mounts import mounts
from vipa_ros.common import convert
from vipa_ros.common.qos import bag_profile
from vipa_ros.episode.running import status_msg
from vipa_sim.loop import STATUS_RATE_HZ, Loop, Tick

TF_RATE_HZ = 20.0  # as the graph's simulated cell


class LoopRecorder:
    """`on_tick` of the in-process loop; `close` ends the bag. What only the graph has (/clock) is not in it."""

    def __init__(self, loop: Loop, folder: Path, episode_id: str):
        self.loop = loop
        self.bag = BagWriter(folder, {"episode_id": episode_id, "task": loop.task.name}, queue_bytes=1 << 30)
        self.table = {t.name: t for t in topics.topic_table(loop.robot)}
        self.ids: dict[str, int] = {}
        self.status_due, self.episode_due, self.tf_due = Every(STATUS_RATE_HZ), Every(5.0), Every(TF_RATE_HZ)

    def write(self, name: str, msg, stamp_ns: int) -> None:
        """One message of the topic table's topic `name`."""
        if name not in self.ids:
            topic = self.table[name]
            self.ids[name] = self.bag.add_topic(name, topic.type, [bag_profile(topic.qos)])
        data = definitions.clean_cdr(self.table[name].type, serialize_message(msg))
        self.bag.write(self.ids[name], stamp_ns, stamp_ns, data)

    def on_tick(self, tick: Tick) -> None:
        now = tick.stamp_ns
        if topics.ROBOT_DESCRIPTION not in self.ids:
            self.write(topics.ROBOT_DESCRIPTION, String(data=urdf.read(self.loop.robot)), now)
            self.write(topics.TF_STATIC, mounts(self.loop.cell.mounted.values()), now)
        if self.tf_due(now):
            self.write(topics.TF, convert.tf_msg(self.loop.cell.link_poses(), convert.time_msg(now)), now)
        self.write(topics.JOINT_STATES, convert.joint_state_msg(tick.joints), now)
        for controller, command in tick.commands.items():
            self.write(topics.command_topic(controller), convert.trajectory_msg(command), now)
        for group in self.loop.robot.arms:
            if group.name in tick.wrenches:
                msg = convert.wrench_msg(tick.wrenches[group.name], convert.time_msg(now), group.tool_frame)
                self.write(group.wrench_topic, msg, now)
        for camera, frame in tick.frames.items():
            names = topics.camera_topics(camera)
            for key, msg in convert.frame_msgs(frame).items():
                self.write(names[key], msg, now)
        if tick.truth is not None:
            self.write(topics.GROUND_TRUTH, convert.truth_msg(tick.truth), now)
        if tick.chunk is not None:
            self.write(topics.ACTION_CHUNK, convert.chunk_msg(tick.chunk), now)
        if self.status_due(now):
            self.write(topics.MOTION_STATUS, convert.motion_status_msg(tick.status), now)
            self.write(topics.SAFETY_STATUS, convert.safety_msg(self.loop.motion.safety(now)), now)
        if self.episode_due(now) or self.loop.runner.outcome is not None:
            self.write(topics.EPISODE_STATUS, status_msg(self.loop.runner, now), now)

    def close(self) -> str:
        """Ends the bag: '' or why it is not whole, in one line."""
        error = self.bag.close().error
        return f"bag {self.bag.path}: {error}" if error else ""
