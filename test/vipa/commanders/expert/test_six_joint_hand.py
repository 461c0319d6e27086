"""The expert with a hand of six joints: the task file says what differs from a parallel hand, and nothing else does."""

import dataclasses

import numpy as np
import pytest

from vipa.commanders.expert.commander import Expert
from vipa.commanders.expert.scripts import grasps_of
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.loop import Loop, run_episode

ROBOT = load_robot("fr3_inspire")


def play(name, seeds):
    """Share of the sub-tasks done in each episode, and all safety stops."""
    task = load_task(name)
    with Loop(task, ROBOT) as loop:
        found = [run_episode(task, ROBOT, Expert(ROBOT, task, seed), seed, loop=loop) for seed in seeds]
    return [record.scorecard.subtask_score for record in found], [stop for record in found for stop in record.stops]


def test_it_waters_the_plant():
    assert play("water_plant", [1]) == ([1.0], [])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["water_plant", "put_three_obj"])
def test_twenty_seeds(name):
    scores, stops = play(name, range(20))
    print(f"{name}: {np.mean(scores):.3f} of the sub-tasks, {len(stops)} safety stops")
    assert np.mean(scores) >= 0.80 and not stops


@pytest.mark.parametrize("name", ["water_plant", "put_three_obj"])
def test_the_file_changes_only_what_it_names(name):
    task, arm = load_task(name), ROBOT.arms[0]
    own, parallel = grasps_of(task, arm), grasps_of(task, load_robot("fr3_single").arms[0])
    assert own.keys() == parallel.keys()
    for thing, grasp in own.items():
        said = task.hands["six_joint"].get(thing, {})
        assert dataclasses.asdict(grasp) == dataclasses.asdict(parallel[thing]) | said


def test_a_task_that_says_nothing_of_the_hand_is_refused():
    with pytest.raises(VipaError, match="'wipe_board': hands: group 'arm' has a six_joint hand; allowed: parallel"):
        Expert(ROBOT, load_task("wipe_board"))


@pytest.mark.parametrize(
    "differs, message",
    [
        ({"kettle": {}}, "six_joint: grasp 'kettle'; allowed: can"),
        ({"can": {"hight": 0.1}}, r"six_joint: can: unknown key\(s\) hight"),
        ({"can": {"light": "soft"}}, "six_joint: can: light: expected float"),
    ],
)
def test_a_grasp_that_cannot_be_is_refused(differs, message):
    task = dataclasses.replace(load_task("water_plant"), hands={"six_joint": differs})
    with pytest.raises(VipaError, match=message):
        Expert(ROBOT, task)
