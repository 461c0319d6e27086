"""Water-Plant's script has no memory: the same sight gives the same step, also when the episode is over, and what was undone is
done again."""

import numpy as np
import pytest

from vipa.commanders.expert.commander import Expert
from vipa.commanders.expert.scripts.water_plant import CARRY, STEPS, _due
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.loop import Loop, run_episode


@pytest.fixture(scope="module")
def loop():
    task = load_task("water_plant")
    with Loop(task, load_robot(task.robot)) as loop:
        yield loop


def test_steps_come_in_order_and_the_can_is_lifted_again_when_it_is_knocked_out_of_the_hand(loop):
    import mujoco

    expert, due, knocked = Expert(loop.robot, loop.task), [], []

    def on_tick(tick):
        if tick.chunk is None:
            return
        step = _due(expert.views["arm"])
        if not due or due[-1] != step:
            due.append(step)
        if step == "aim" and not knocked and expert.views["arm"].body("can")[2] > 0.8 * CARRY:
            data, model = loop.cell.data, loop.cell.model
            start = model.joint("can_free").qposadr[0]
            data.qpos[start : start + 3] = [
                0.45,
                -0.2,
                data.qpos[start + 2] - expert.views["arm"].body("can")[2] + 0.001,
            ]
            data.qpos[start + 3 : start + 7] = [1.0, 0.0, 0.0, 0.0]
            data.qvel[model.joint("can_free").dofadr[0] :][:6] = 0
            mujoco.mj_forward(model, data)
            knocked.append(tick.stamp_ns)

    record = run_episode(loop.task, loop.robot, expert, 5, loop=loop, on_tick=on_tick)
    assert record.scorecard.success, (record.scorecard.failure, due)
    assert knocked and set(due) <= set(STEPS)
    for way in (["reach", "descend", "close", "lift", "aim"], ["open"], ["descend", "close", "lift", "aim", "press"]):
        assert all(step in due for step in way)
        due = due[due.index(way[-1]) :]


def test_after_the_end_it_still_knows_what_is_due(loop):
    """A policy that is being led may have ended the episode's work already."""
    expert = Expert(loop.robot, loop.task)
    run_episode(loop.task, loop.robot, expert, 5, loop=loop)
    part = expert.parts["arm"]
    part.tireless = True
    part.follow()
    part.follow()
    assert part.goal is not None and np.isfinite(part.goal.pose(part.view)).all()
