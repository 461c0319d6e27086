"""One scene, two instructions: the expert takes the fruit that is asked for, and no other."""

import numpy as np
import pytest

from vipa.commanders.expert.commander import Expert
from vipa.commanders.expert.scripts.take_fruit import TAKES
from vipa.resources import root
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.alignment.things import vocabulary
from vipa_sim.loop import Loop, run_episode


def task_of(fruit):
    return load_task(str(root() / f"examples/tasks/take_{fruit}.yaml"))


@pytest.fixture(scope="module")
def loop():
    with Loop(task_of("plum"), load_robot("fr3_single"), ()) as loop:
        yield loop


@pytest.mark.parametrize("fruit", TAKES)
@pytest.mark.parametrize("seed, noise", [(1, 0.0), (2, 0.02)])
def test_the_fruit_that_is_asked_for_is_lifted_and_the_others_stay(loop, fruit, seed, noise):
    task = task_of(fruit)
    loop.task, about, heights = task, [], []
    expert = Expert(loop.robot, task, seed, noise)

    def watch(tick):
        if tick.chunk is not None:
            about.append(expert.label.target)
            heights.append({name: expert.views["arm"].body(name) for name in ("apple", "banana", "plum")})

    card = run_episode(task, loop.robot, expert, seed, loop=loop, on_tick=watch).scorecard
    assert card.success, card
    assert all(np.allclose(target, bodies[fruit][:3], atol=1e-3) for target, bodies in zip(about, heights, strict=True))
    first, last = heights[0], heights[-1]
    assert last[fruit][2] > first[fruit][2] + 0.05
    assert all(np.linalg.norm(last[n][:3] - first[n][:3]) < 0.02 for n in first if n != fruit)


def test_both_tasks_are_one_scene_and_alignment_knows_their_words():
    tasks = [task_of(fruit) for fruit in TAKES]
    assert len({(t.scene, str(t.randomisation), str(t.fixtures), str(t.variants), t.robot) for t in tasks}) == 1
    assert len({t.instruction for t in tasks}) == 2
    for task, fruit in zip(tasks, TAKES, strict=True):
        words = vocabulary(task, ())
        assert [m.goal for m in words.motions if m.words == task.instruction] == [fruit]
