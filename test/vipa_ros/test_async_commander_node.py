"""Inference beside the node's thread, with real rclpy: the node goes on listening, and what is no longer true is not sent."""

import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")

import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from vipa_msgs.msg import ActionChunk as ActionChunkMsg
from vipa_msgs.msg import CommanderStatus, EpisodeStatus, MotionStatus

from vipa.errors import NoChunk
from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa.robot.state import Observation
from vipa_ros.bringup.environment import Domain
from vipa_ros.commanders.async_commander_node import AsyncCommanderNode
from vipa_ros.common.qos import PROFILES

WAIT = 60  # seconds after which a test gives up; nothing is measured by it


class Slow:
    """A policy that takes until `gate` is open."""

    commander_id, wants_cameras, period = "policy", True, 0.02

    def __init__(self):
        self.gate, self.began, self.said, self.steps, self.fault = threading.Event(), threading.Event(), [], 0, None
        self.gate.set()

    def reset(self, start):
        self.said.append((start.episode_id, threading.current_thread().name))

    def step(self, seen):
        self.began.set()
        assert self.gate.wait(WAIT)
        if self.fault:
            raise NoChunk(self.fault)
        self.steps += 1
        group = GroupAction("arm", "fr3_link0", "fr3_hand_tcp", np.array([[0.4, 0, 0.3, 1, 0, 0, 0]]))
        stamp = seen.observation.stamp_ns
        return ActionChunk("policy", seen.status.epoch, self.steps, seen.now_ns, stamp, 0.1, (group,), stamp)


class Wires:
    """The node under test, and everything around it as one node of the test's."""

    def __init__(self):
        self.domain = Domain()
        rclpy.init(domain_id=self.domain.id)
        self.robot, self.slow, self.age, self.behind = load_robot("fr3_single"), Slow(), 0.0, 0.0
        self.node = AsyncCommanderNode("policy", lambda node: (self.robot, self.slow, self.look))
        self.around = rclpy.create_node("around")
        stream, latched = PROFILES["stream"], PROFILES["latched"]
        self.joints = self.around.create_publisher(JointState, topics.JOINT_STATES, stream)
        self.motion = self.around.create_publisher(MotionStatus, topics.MOTION_STATUS, stream)
        self.episodes = self.around.create_publisher(EpisodeStatus, topics.EPISODE_STATUS, latched)
        self.chunks, self.reasons, self.epoch, self.episode = [], [], 1, "a"
        self.around.create_subscription(ActionChunkMsg, topics.ACTION_CHUNK, self.chunks.append, stream)
        self.around.create_subscription(
            CommanderStatus, topics.COMMANDER_STATUS, lambda m: self.reasons.append(m.reason), stream
        )
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.executor.add_node(self.around)

    def look(self, now_ns):
        return Observation(now_ns - round(self.age * 1e9), {}, {}, "do it")

    def until(self, condition):
        """Turns the wheels, everybody saying what is so, until `condition` holds."""
        deadline = time.monotonic() + WAIT
        names = [j for g in self.robot.groups for j in [*g.joints, *(g.hand.joints if g.hand else ())]]
        while not condition():
            assert time.monotonic() < deadline, (self.chunks[-3:], self.reasons[-3:])
            zeros, now = [0.0] * len(names), self.node.get_clock().now()
            joints = JointState(name=names, position=zeros, velocity=zeros)
            joints.header.stamp = (now - Duration(seconds=self.behind)).to_msg()
            status = MotionStatus(epoch=self.epoch, authority="policy")
            status.header.stamp = now.to_msg()
            self.joints.publish(joints)
            self.motion.publish(status)
            self.episodes.publish(
                EpisodeStatus(state=EpisodeStatus.RUNNING, commander="policy", episode_id=self.episode)
            )
            self.executor.spin_once(timeout_sec=0.05)

    def block(self):
        """The worker is in the middle of a step that began after this call."""
        self.slow.gate.clear()
        self.slow.began.clear()
        self.until(self.slow.began.is_set)

    def close(self):
        self.slow.gate.set()
        self.node.close()
        self.executor.shutdown()
        self.node.destroy_node()
        self.around.destroy_node()
        rclpy.shutdown()
        self.domain.release()


@pytest.fixture
def wires():
    made = Wires()
    yield made
    made.close()


def test_it_listens_while_it_thinks_and_drops_an_answer_to_a_former_epoch(wires):
    wires.block()
    wires.epoch = 2
    wires.until(lambda: wires.node.status.epoch == 2 and wires.node.due)  # messages come, the next step falls due
    assert wires.chunks == []
    wires.slow.gate.set()
    wires.until(lambda: wires.chunks)
    assert "answer dropped: it answers epoch 1, motion is in epoch 2" in wires.reasons
    assert {c.epoch for c in wires.chunks} == {2}


def test_a_step_that_fell_due_begins_with_what_is_newest_then(wires):
    wires.block()
    wires.until(lambda: wires.node.due)
    released = wires.node.get_clock().now().nanoseconds
    wires.slow.gate.set()
    wires.until(lambda: len(wires.chunks) > 1)
    first, second = (c.observation_stamp.sec * 10**9 + c.observation_stamp.nanosec for c in wires.chunks[:2])
    assert first < released <= second


def test_a_new_episode_is_told_in_the_workers_thread_and_the_old_ones_answer_dropped(wires):
    wires.until(lambda: wires.chunks)
    wires.block()
    wires.episode = "b"
    wires.until(lambda: wires.node.episode_id == "b")
    assert [name for name, _ in wires.slow.said] == ["a"]
    wires.slow.gate.set()
    # chunks and reasons come on topics of their own, in any order, and an earlier chunk may still be on its way
    wires.until(lambda: "answer dropped: its episode is over" in wires.reasons and len(wires.slow.said) == 2)
    assert [name for name, _ in wires.slow.said] == ["a", "b"]
    assert all(thread.startswith("commander") for _, thread in wires.slow.said)


def test_reasons_and_old_observations(wires):
    wires.slow.fault = "policy x@y: no answer within 2 s"
    wires.until(lambda: wires.slow.fault in wires.reasons)
    assert wires.chunks == []
    wires.age, said = 1.5, len(wires.reasons)
    wires.until(lambda: len(wires.reasons) > said + 1)  # the step that was under way saw what was new
    wires.slow.fault = None
    wires.until(lambda: any(r.startswith("answer dropped: its observation is 1.5") for r in wires.reasons))
    assert wires.chunks == []
    wires.age = 0.0
    wires.until(lambda: wires.chunks)


def test_nothing_is_said_of_a_robot_that_was_seen_too_long_ago(wires):
    wires.behind = 5.0
    wires.until(lambda: any(r.startswith("joint state is 5.") for r in wires.reasons))
    assert wires.chunks == [] and wires.slow.steps == 0
    wires.behind = 0.0
    wires.until(lambda: wires.chunks)


def test_an_answer_is_held_back_for_as_long_as_is_asked(wires):
    wires.node.delay_ns = 300_000_000
    wires.until(lambda: len(wires.chunks) > 1)
    first, second = (c.observation_stamp.sec * 10**9 + c.observation_stamp.nanosec for c in wires.chunks[:2])
    assert second - first >= 300_000_000  # it was not asked again before its answer had arrived
    wires.node.delay_ns = 0
    asked = wires.slow.steps
    wires.until(lambda: wires.slow.steps > asked + 1 and wires.node.later is None)
