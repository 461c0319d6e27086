"""A policy drives for stretches: the expert's labels start where the tool is, lead on, and the episode is brought to its end."""

import dataclasses

import numpy as np

from vipa_ros.expert.commander import Expert
from vipa_ros.expert.led import PolicyLed
from vipa_ros.inprocess import Loop, run_episode
from vipa_ros.motion.chunk import ActionChunk
from vipa_ros.robot.description import load_robot
from vipa_ros.tasks.task import load_task


class Sideways:
    """A bad policy: it does as the expert, but 2 cm to the side."""

    commander_id, wants_cameras, period = "sideways", False, 0.8

    def __init__(self, expert: Expert):
        self.expert = expert

    def reset(self, start):
        pass

    def step(self, seen) -> ActionChunk:
        chunk = self.expert.label.clean
        poses = chunk.groups[0].poses.copy()
        poses[:, 1] += np.linspace(0, 0.02, 17)
        return dataclasses.replace(chunk, groups=(dataclasses.replace(chunk.groups[0], poses=poses),))


def test_labels_lead_back_from_where_a_policy_went():
    task = load_task("water_plant")
    robot = load_robot(task.robot)
    expert = Expert(robot, task.name, seed=3)
    commander = PolicyLed(expert, Sideways(expert))
    rows = []

    def on_tick(tick):
        label = expert.label
        if label is not None and label.clean.start_ns == tick.stamp_ns:
            rows.append((expert.led, tick.groups["arm"], label.clean.groups[0].poses))

    with Loop(task, robot) as loop:
        card = run_episode(task, robot, commander, 3, loop=loop, on_tick=on_tick, cameras=(), time_limit=60.0).scorecard
    assert card.success, card.failure
    led = [(arm, poses) for by_policy, arm, poses in rows if by_policy]
    assert len(led) > 15 and len(led) < len(rows)
    for arm, poses in led:
        ahead = arm.tool_pose[:3] + 0.1 * np.outer([0, 1, 2], arm.tool_velocity)
        np.testing.assert_allclose(poses[:3, :3], ahead, atol=1e-9)
