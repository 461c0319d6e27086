"""A policy drives for stretches: the expert's labels start where the tool is, lead on, and the episode is brought to its end."""

import dataclasses

import numpy as np

from vipa.commanders.expert.commander import Expert
from vipa.commanders.expert.dagger import DaggerCommander
from vipa.motion.chunk import ActionChunk
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.loop import Loop, run_episode


class Sideways:
    """A bad policy: it does as the expert, but 2 cm to the side, or with the hand wide open throughout."""

    commander_id, wants_cameras, period = "sideways", False, 0.8

    def __init__(self, expert: Expert, aside: float = 0.02, open_hand: bool = False):
        self.expert, self.aside, self.open_hand = expert, aside, open_hand

    def reset(self, start):
        pass

    def step(self, seen) -> ActionChunk:
        chunk = self.expert.label.clean
        poses = chunk.groups[0].poses.copy()
        poses[:, 1] += np.linspace(0, self.aside, 17)
        hand = np.ones_like(chunk.groups[0].hand) if self.open_hand else chunk.groups[0].hand
        return dataclasses.replace(chunk, groups=(dataclasses.replace(chunk.groups[0], poses=poses, hand=hand),))


def test_labels_lead_back_from_where_a_policy_went():
    task = load_task("water_plant")
    robot = load_robot(task.robot)
    expert = Expert(robot, task, seed=3)
    commander = DaggerCommander(expert, Sideways(expert))
    rows = []

    def on_tick(tick):
        label = expert.label
        if label is not None and label.clean.start_ns == tick.stamp_ns:
            rows.append((expert.labelling, tick.groups["arm"], label.clean.groups[0].poses))

    with Loop(task, robot) as loop:
        card = run_episode(
            task, robot, commander, 3, loop=loop, on_tick=on_tick, cameras=(), time_limit=60.0, latency=None
        ).scorecard
    assert card.success, card.failure
    led = [(arm, poses) for by_policy, arm, poses in rows if by_policy]
    assert len(led) > 15 and len(led) < len(rows)
    for arm, poses in led:
        ahead = arm.tool_pose[:3] + 0.1 * np.outer([0, 1, 2], arm.tool_velocity)
        np.testing.assert_allclose(poses[:3, :3], ahead, atol=1e-9)


def test_labels_close_the_hand_from_where_the_policy_keeps_it():
    """What the hand was told for the moment is no decision of the expert's, and not in its labels either."""
    task = load_task("water_plant")
    robot = load_robot(task.robot)
    expert = Expert(robot, task, seed=3)
    commander = DaggerCommander(expert, Sideways(expert, aside=0.0, open_hand=True))
    closing = []

    def on_tick(tick):
        label, policy_drives = expert.label, expert.labelling and commander.driver == "policy"
        if label is not None and label.clean.start_ns == tick.stamp_ns and policy_drives:
            hand = label.clean.groups[0].hand[:, 0]
            if hand[-1] < 0.6 and expert.told["arm"] == 1.0:
                closing.append(hand)

    with Loop(task, robot) as loop:
        run_episode(task, robot, commander, 3, loop=loop, on_tick=on_tick, cameras=(), time_limit=12.0, latency=None)
    assert len(closing) > 3
    assert all(hand[0] == hand[1] == 1.0 and hand[2] < 0.6 for hand in closing)
