"""The scripted commander on the simulated cell, in-process."""

import dataclasses

import numpy as np
import pytest

from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.commanders.expert.commander import Expert
from vipa.commanders.expert.part import DT_S, HORIZON
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.loop import Loop, run_episode


@pytest.fixture(scope="module")
def loops():
    """A Loop without cameras by task name, compiled once."""
    made = {}

    def loop(name):
        if name not in made:
            task = load_task(name)
            made[name] = Loop(task, load_robot(task.robot))
        return made[name]

    return loop


def play(loop, seed, variant="", noise=0.0, **more):
    expert = Expert(loop.robot, loop.task, noise=noise)
    return expert, run_episode(loop.task, loop.robot, expert, seed, variant, loop=loop, **more)


@pytest.mark.parametrize(
    "task, seed, variant",
    [
        pytest.param("put_three_obj", 1, "crimson", marks=pytest.mark.slow),
        ("water_plant", 2, "black"),
    ],  # CI plays the first over the graph
)
def test_an_episode(loops, task, seed, variant):
    _, record = play(loops(task), seed, variant)
    card = record.scorecard
    assert card.success, card.failure
    assert card.duration_s < 60 and not record.refused and not record.stops
    assert card.commander == "expert" and card.variant == variant and record.scene["seed"] == seed
    assert all(c.groups[0].poses.shape == (HORIZON, 7) and c.dt == DT_S for c in record.chunks)
    assert np.all(np.diff([c.seq for c in record.chunks]) > 0)


def test_with_noise_and_delay(loops):
    seen = []
    loop = loops("water_plant")
    expert = Expert(loop.robot, loop.task, noise=0.01)
    tick = lambda tick: tick.chunk and seen.append((tick.chunk, expert.label))  # noqa: E731
    record = run_episode(loop.task, loop.robot, expert, 5, loop=loop, delay_s=0.12, on_tick=tick)
    assert record.scorecard.success, record.scorecard.failure
    assert record.scorecard.timing.chunk_delay_steps_p50 == pytest.approx(1.2, abs=0.11)
    apart = [np.abs(chunk.groups[0].poses - label.clean.groups[0].poses).max() for chunk, label in seen]
    assert 0 < max(apart) < 0.02 and min(apart) == 0
    assert [label.subtask for _, label in seen] == sorted(label.subtask for _, label in seen)
    assert {label.subtask for _, label in seen} == {0, 1, 2}
    plant = loop.truth.poses["plant"][:3]
    aiming = [label.target for _, label in seen if label.subtask == 1]
    assert np.linalg.norm(np.array(aiming[0]) - plant) < 0.02


@pytest.mark.slow  # of memory in general: test_memoryless.py
def test_a_fruit_that_is_taken_away_is_fetched_again(loops):
    """The apple is put back on the table while it is carried: the expert goes for it again."""
    import mujoco

    loop = loops("put_three_obj")
    taken = []

    def thief(tick):
        apple = loop.truth.poses["apple"] if loop.truth else np.zeros(7)
        if not taken and apple[2] > 0.25:
            data, model = loop.cell.data, loop.cell.model
            start = model.joint("apple_free").qposadr[0]
            data.qpos[start : start + 3] = [0.45, -0.2, 0.04]
            data.qvel[model.joint("apple_free").dofadr[0] :][:6] = 0
            mujoco.mj_forward(model, data)
            taken.append(tick.stamp_ns)

    expert = Expert(loop.robot, loop.task)
    record = run_episode(loop.task, loop.robot, expert, 5, loop=loop, on_tick=thief)
    assert taken and record.scorecard.subtasks[1].status == "done", record.scorecard.failure


def test_what_it_refuses(loops):
    robot = load_robot("fr3_single")
    with pytest.raises(VipaError, match="unknown script of the expert 'fly'; allowed: .*put_three_obj"):
        Expert(robot, dataclasses.replace(load_task("water_plant"), scene="fly"))
    unknown = dataclasses.replace(load_task("put_three_obj").subtasks[0], name="shut drawer")
    with pytest.raises(VipaError, match="unknown sub-task 'shut drawer'; allowed: .*open drawer"):
        Expert(robot, dataclasses.replace(load_task("put_three_obj"), subtasks=[unknown]))
    with pytest.raises(VipaError, match="noise"):
        Expert(robot, load_task("water_plant"), noise=-1)
    loop = loops("water_plant")
    loop.reset(0, "", "expert")
    tick = loop.tick()
    expert = Expert(robot, load_task("water_plant"))
    expert.reset(EpisodeStart("1", "water_plant", "", 0, ""))
    with pytest.raises(VipaError, match="ground truth"):
        expert.step(CommanderInput(tick.stamp_ns, tick.groups, tick.status))


@pytest.mark.slow
@pytest.mark.parametrize("task, least", [("put_three_obj", 0.95), ("water_plant", 0.90)])
def test_twenty_seeds(loops, task, least):
    cards = [play(loops(task), seed)[1].scorecard for seed in range(20)]
    assert np.mean([c.subtask_score for c in cards]) >= least
    assert all(c.outcome != "stopped" for c in cards)
