"""The in-process loop: deterministic, ends when it should, tells recorders what it saw."""

import numpy as np
import pytest

from vipa_ros.commander import CommanderInput, EpisodeStart
from vipa_ros.errors import VipaError
from vipa_ros.evaluation import trials
from vipa_ros.expert.commander import Expert
from vipa_ros.inprocess import Every, Loop, run_episode
from vipa_ros.motion.chunk import ActionChunk, GroupAction
from vipa_ros.robot.description import load_robot
from vipa_ros.tasks import scorecard
from vipa_ros.tasks.task import load_task

TASK = "water_plant"


@pytest.fixture(scope="module")
def loop():
    task = load_task(TASK)
    with Loop(task, load_robot(task.robot)) as made:
        yield made


def trace(loop, seed, **more):
    """Joint positions of every tick, and the record."""
    rows = []
    expert = Expert(loop.robot, loop.task)
    record = run_episode(
        loop.task, loop.robot, expert, seed, loop=loop, on_tick=lambda t: rows.append(t.joints.positions), **more
    )
    return np.array(rows), record


def test_same_seed_same_episode(loop):
    """Whatever ran before, in this loop or a new one."""
    first, record = trace(loop, 4, time_limit=6.0)
    trace(loop, 5, time_limit=1.0)
    again, _ = trace(loop, 4, time_limit=6.0)
    with Loop(loop.task, loop.robot) as other:
        fresh, _ = trace(other, 4, time_limit=6.0)
    assert np.array_equal(first, again) and np.array_equal(first, fresh)
    assert record.scorecard.subtasks[0].status == "done"
    different, _ = trace(loop, 6, time_limit=2.0)
    assert not np.array_equal(first[: len(different)], different)


def test_the_record(loop):
    _, record = trace(loop, 4, time_limit=2.0, episode_id="abc")
    card = record.scorecard
    assert card.outcome == "timeout" and card.duration_s == pytest.approx(2.0, abs=0.06)
    assert card.episode_id == "abc" and card.cell == "sim" and card.policy is None
    assert len(record.chunks) == pytest.approx(20, abs=2)
    assert scorecard.from_dict(scorecard.to_dict(card), "here") == card
    assert record.scene["variant"] == card.variant


class Silent:
    """Never moves."""

    commander_id, wants_cameras, period = "silent", False, 0.1

    def reset(self, start: EpisodeStart):
        self.start, self.steps = start, []

    def step(self, seen: CommanderInput):
        self.steps.append(seen)
        return None


class Wild(Silent):
    """Jumps through the room."""

    commander_id = "wild"

    def step(self, seen):
        self.steps.append(seen)
        pose = np.array([[0.3, 0.5, 0.5, 1.0, 0, 0, 0]])
        group = GroupAction("arm", "fr3_link0", "fr3_hand_tcp", pose * (-1.0) ** len(self.steps))
        return ActionChunk("wild", seen.status.epoch, len(self.steps), seen.now_ns, seen.now_ns, 0.1, (group,))


def test_what_a_commander_sees(loop):
    commander, joints = Silent(), []
    record = run_episode(
        loop.task, loop.robot, commander, 0, loop=loop, time_limit=1.0, on_tick=lambda t: joints.append(t.joints)
    )
    assert record.scorecard.outcome == "timeout" and not record.chunks
    assert commander.start.instruction == loop.task.instruction and commander.start.variant == record.scene["variant"]
    stamps = np.array([seen.now_ns for seen in commander.steps])
    assert np.all(np.diff(stamps) == 100_000_000)
    assert all(seen.truth is not None and seen.observation is None for seen in commander.steps)
    assert np.abs(joints[-1].positions - joints[0].positions).max() < 0.01


def test_refused_chunks_are_told(loop):
    record = run_episode(loop.task, loop.robot, Wild(), 0, loop=loop, time_limit=1.0)
    assert record.refused and record.scorecard.outcome in ("timeout", "stopped")


def test_a_safety_stop_ends_the_episode(loop):
    def pressed(tick):
        if tick.stamp_ns > 2e9:
            loop.motion.estop("test")

    record = run_episode(loop.task, loop.robot, Expert(loop.robot, loop.task), 0, loop=loop, on_tick=pressed)
    assert record.scorecard.outcome == "stopped" and record.scorecard.failure.type == "safety stop"
    assert "test" in record.scorecard.failure.detail and record.stops
    assert record.scorecard.duration_s == pytest.approx(1.0, abs=0.1)


def test_every_never_drifts():
    every = Every(15.0)
    hits = [t for t in range(0, 10_000_000_000, 10_000_000) if every(t)]
    assert len(hits) == 150 and max(abs(t - i * 1e9 / 15) for i, t in enumerate(hits)) < 10_000_000


@pytest.mark.parametrize("text, seeds", [("7", [7]), ("0:3", [0, 1, 2]), ("1,5,9", [1, 5, 9])])
def test_seeds(text, seeds):
    assert trials.parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "3:3", "-1", "1:2:3"])
def test_seeds_refused(text):
    with pytest.raises(VipaError, match="0:20"):
        trials.parse_seeds(text)
