"""The in-process loop: deterministic, ends when it should, tells recorders what it saw."""

import numpy as np
import pytest

from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.commanders.expert.commander import Expert
from vipa.errors import VipaError
from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.robot.description import load_robot
from vipa.tasks import scorecard
from vipa.tasks.task import load_task
from vipa_sim import trials
from vipa_sim.loop import Every, Loop, run_episode
from vipa_sim.loop_view import GRAPH

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
        return


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


def test_a_commander_sees_and_answers_as_late_as_in_the_graph():
    """What earlier ticks published; frames that have had time to be rendered, with the states of their moment; answers later."""
    task, rendered = load_task(TASK), []

    class Looking(Wild):
        wants_cameras = True

        def step(self, seen):
            self.steps.append(seen)

    commander, states = Looking(), {}

    def on_tick(tick):
        states[tick.stamp_ns] = tick.groups["arm"].positions
        if "frames" in tick.__dict__:
            rendered.append(tick.stamp_ns)

    with Loop(task, load_robot(task.robot), task.cameras, (48, 36)) as loop:
        run_episode(task, loop.robot, commander, 0, loop=loop, time_limit=1.0, on_tick=on_tick)
    assert len(commander.steps) == 10 and not rendered  # nobody looked at a tick's frames: none was rendered for it
    for seen in commander.steps:
        assert GRAPH.frame * 1e9 <= seen.now_ns - seen.observation.stamp_ns < (GRAPH.frame + 0.04) * 1e9
        assert (
            0 < seen.now_ns - seen.truth.stamp_ns <= 60_000_000 and 0 < seen.now_ns - seen.status.stamp_ns <= 50_000_000
        )
        np.testing.assert_array_equal(seen.groups["arm"].positions, states[seen.now_ns - 10_000_000])
        np.testing.assert_array_equal(seen.observation.groups["arm"].positions, states[seen.observation.stamp_ns])


def test_cameras_that_are_too_slow_are_an_error_that_names_them():
    task, commander = load_task(TASK), Silent()
    commander.wants_cameras = True
    with Loop(task, load_robot(task.robot), task.cameras, (48, 36), camera_rate=0.1) as loop:
        card = run_episode(task, loop.robot, commander, 0, loop=loop).scorecard
    assert (card.outcome, card.failure.type) == ("error", "commander") and "camera" in card.failure.detail
    assert card.duration_s < 7.0


@pytest.mark.parametrize("looks, late", [(True, GRAPH.answer), (False, 0.0)])
def test_an_answer_arrives_when_it_has_been_worked_out(looks, late):
    task, executed = load_task(TASK), []

    class Staying(Silent):
        """Says where the tool is; looks, or does not."""

        def step(self, seen):
            self.steps.append(seen)
            pose = seen.groups["arm"].tool_pose[None]
            group = GroupAction("arm", "fr3_link0", "fr3_hand_tcp", pose)
            return ActionChunk("silent", seen.status.epoch, len(self.steps), seen.now_ns, seen.now_ns, 0.1, (group,))

    commander = Staying()
    commander.wants_cameras = looks
    with Loop(task, load_robot(task.robot), task.cameras if looks else (), (48, 36)) as loop:
        run_episode(task, loop.robot, commander, 0, loop=loop, time_limit=0.5,
                    on_tick=lambda tick: executed.append((tick.stamp_ns, loop.motion.current)))  # fmt: skip
    first = next(stamp for stamp, chunk in executed if chunk is not None)
    assert first - commander.steps[0].now_ns == round(late * 1e9)


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
