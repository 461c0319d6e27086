"""Scripts of several groups at once: two arms and a head, each with its own goals, in one chunk; and what a policy is told of them."""

import dataclasses

import numpy as np
import pytest

from vipa.commanders.expert.commander import Expert
from vipa.commanders.expert.goal import Goal, JointGoal
from vipa.commanders.expert.scripts import water_plant
from vipa.commanders.expert.skills.reach import raise_tool
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.loop import Loop, run_episode

LOOK = np.array([0.4, 0.9])


def up(view):
    hand, about = (0.2, None) if view.name == "left" else (0.8, "plant")
    yield from raise_tool(view, hand, height=0.45, target="can")
    yield Goal(lambda v: v.tool, hand=hand, near=0.0, timeout=np.inf, target=about)


def look(view):
    yield JointGoal(lambda v: LOOK, timeout=np.inf, near=0.0)


def parts(robot):
    return {"right": up, "left": up, "head": look}


@pytest.fixture(scope="module")
def loop():
    """Two arms in a scene that means nothing to them."""
    task = dataclasses.replace(load_task("water_plant"), robot="fr3_dual", cameras=[])
    with Loop(task, load_robot("fr3_dual")) as loop:
        yield loop


def test_all_groups_go_their_ways_in_one_chunk(loop, monkeypatch):
    monkeypatch.setattr(water_plant, "parts", parts, raising=False)
    expert, ticks, about = Expert(loop.robot, loop.task), [], []

    def on_tick(tick):
        ticks.append(tick.commanded)
        if tick.chunk:
            about.append(expert.label.target)

    record = run_episode(loop.task, loop.robot, expert, 0, loop=loop, on_tick=on_tick, time_limit=3.0)
    assert not record.refused and not record.stops
    assert [g.name for g in record.chunks[0].groups] == ["left", "right", "head"]  # the robot file's order
    first, last = ticks[0], ticks[-1]
    for name, opening in (("left", 0.2), ("right", 0.8)):
        assert last[name].tool_pose[2] > 0.41 > first[name].tool_pose[2] + 0.03
        assert last[name].hand[0] == pytest.approx(opening, abs=0.02)
    assert np.abs(last["head"].positions - LOOK).max() < 0.01 < np.abs(first["head"].positions - LOOK).max()
    can, plant = (expert.views["left"].body(name)[:3] for name in ("can", "plant"))
    assert about[0] == pytest.approx(can, abs=0.01)  # both arms say so, the first counts
    assert about[-1] == pytest.approx(plant, abs=0.01)  # the other says nothing


def test_one_arm_is_lost_and_the_other_is_not(loop, monkeypatch):
    monkeypatch.setattr(water_plant, "parts", parts, raising=False)
    expert = Expert(loop.robot, loop.task)
    run_episode(loop.task, loop.robot, expert, 0, loop=loop, time_limit=1.0)
    left, right = (expert.parts[name] for name in ("left", "right"))
    left.reference.displace(np.array([0.0, 0.1, 0.0, 0.0]))
    left.said = type(left.said)((pose + [0, 0.1, 0, 0, 0, 0, 0], opening) for pose, opening in left.said)
    assert left.is_lost() and not right.is_lost()


def test_a_group_without_its_script_is_left_alone(loop):
    assert list(Expert(loop.robot, loop.task).parts) == ["left"]


def test_a_hand_that_is_none_is_refused():
    robot = load_robot("fr3_dual")
    bare = dataclasses.replace(robot, groups=[dataclasses.replace(g, hand=None) for g in robot.groups])
    with pytest.raises(VipaError, match="robot 'fr3_dual' has no hand"):
        Expert(bare, load_task("water_plant"))
