"""The in-process loop's commanders see and answer what the graph's do: a commander's node that hears the messages of a loop's ticks
sends the loop's own chunks."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy")

import rclpy
from vipa_msgs.msg import EpisodeStatus

from vipa.commanders.expert.commander import Expert
from vipa.commanders.policy.commander import PolicyCommander, load_policy
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_ros.bringup.environment import Domain
from vipa_ros.cameras.mounts import mounts
from vipa_ros.cameras.reader import CameraReader
from vipa_ros.commanders.commander_node import CommanderNode
from vipa_ros.common import convert
from vipa_sim.loop import Loop, run_episode
from vipa_sim.loop_view import GRAPH


@pytest.fixture(scope="module", autouse=True)
def ros():
    domain = Domain()
    rclpy.init(domain_id=domain.id)
    yield
    rclpy.shutdown()
    domain.release()


class Clock:
    """ROS time as a test says it is."""

    def __init__(self):
        self.now_ns = 0

    def now(self):
        return rclpy.time.Time(nanoseconds=self.now_ns)


class Sent:
    """A publisher that keeps the last message."""

    message = None

    def publish(self, message):
        self.message = message


class Both:
    """The loop's commander, and beside it the graph's node of the same one; both are asked at the same moments."""

    def __init__(self, loop, make):
        self.loop, self.inner = loop, make()
        self.commander_id, self.period, self.wants_cameras = (
            self.inner.commander_id,
            self.inner.period,
            self.inner.wants_cameras,
        )
        self.cameras, self.clock, self.off = None, Clock(), []
        self.node = CommanderNode("both", lambda node: (loop.robot, make(), self._look(node)))
        self.node.get_clock = lambda: self.clock
        self.node.timer.cancel()  # the loop says when
        self.node.chunks, self.node.report = Sent(), Sent()

    def _look(self, node):
        if self.wants_cameras:
            self.cameras = CameraReader(node, self.loop.robot, self.loop.cameras, self.loop.task.instruction, True)
        return self.cameras and self.cameras.observe

    def reset(self, start):
        self.inner.reset(start)
        if self.cameras:
            self.cameras.on_static(mounts(self.loop.cell.mounted.values()))
        self.episode = EpisodeStatus(
            state=EpisodeStatus.RUNNING, commander=self.commander_id, episode_id=start.episode_id, task=start.task,
            instruction=start.instruction, seed=start.seed, variant=start.variant,
        )  # fmt: skip

    def on_tick(self, tick):
        """The node hears the tick, in the order in which the cell and motion publish it."""
        stamp = convert.time_msg(tick.stamp_ns)
        for group in self.loop.robot.arms:
            if group.name in tick.wrenches:
                self.node.on_wrench(group.name, convert.wrench_msg(tick.wrenches[group.name], stamp, group.tool_frame))
        if tick.truth is not None:
            self.node.on_truth(convert.truth_msg(tick.truth))
        joints = convert.joint_state_msg(tick.joints)
        self.node.on_joints(joints)
        if self.cameras:
            self.cameras.on_joints(joints)

    def step(self, seen):
        self.clock.now_ns, self.node.heard = seen.now_ns, time.monotonic()
        self.node.status = convert.motion_status(convert.motion_status_msg(seen.status))
        if self.cameras:
            for name, frame in self.loop.captures.newest(seen.now_ns - round(GRAPH.frame * 1e9)).items():
                for key, message in convert.frame_msgs(frame).items():
                    if key in ("color", "depth", "color_info"):
                        self.cameras.on_message(name, key, message)
        if self.node.episode_id:
            self.node.step()
        else:
            self.node.on_episode(self.episode)  # which makes the first step
        chunk, there = self.inner.step(seen), convert.chunk(self.node.chunks.message)
        for field in ("seq", "epoch", "start_ns", "stamp_ns", "observation_ns"):
            assert getattr(there, field) == getattr(chunk, field), field
        a, b = chunk.groups[0], there.groups[0]
        self.off.append((np.abs(a.poses[:, :3] - b.poses[:, :3]).max(), np.abs(a.hand - b.hand).max()))
        return chunk


def differences(task_name, make, cameras, seconds):
    """(N, 2) largest differences of a loop's chunks from the node's: metres, opening."""
    task = load_task(task_name)
    robot = load_robot(task.robot)
    with Loop(task, robot, task.cameras if cameras else ()) as loop:
        both = Both(loop, lambda: make(robot, task))
        try:
            record = run_episode(task, robot, both, 3, loop=loop, on_tick=both.on_tick, time_limit=seconds)
        finally:
            both.node.destroy_node()
    assert not record.refused and not record.stops
    return np.array(both.off)


@pytest.mark.parametrize("task", ["water_plant", "put_three_obj"])
def test_the_expert(task):
    off = differences(task, Expert, False, 4.0)
    assert len(off) > 30
    assert off.max() < 1e-6


def test_the_shipped_policy():
    policy = load_policy("water_plant")
    off = differences("water_plant", lambda robot, task: PolicyCommander(robot, policy), True, 3.0)
    assert len(off) == 4
    assert (
        off[:, 0].max() < 1e-3 and off[:, 1].max() < 0.02
    )  # camera poses: from the joints here, the renderer's own there
