"""Scoring: order, hold times, ends and jumps of the clock."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from vipa.robot.state import GroundTruth
from vipa.tasks.checks import CheckState
from vipa.tasks.scorer import MAX_GAP_S, EpisodeScorer, SubTaskStatus
from vipa.tasks.task import SubTask, Task

TICK = 50_000_000


def subtask(name, hold=0.0, after=(), contacts=(), **more):
    return SubTask(
        name, "joint_beyond", {"joint": name, "above": 0.5}, hold, list(after), [list(c) for c in contacts], **more
    )


def task(*subtasks, time_limit=100.0):
    return Task("t", "do it", "robot", "scene", [], time_limit, list(subtasks), {"plain": {}}, ["plain"])


def look(stamp_ns, *met, names="abc", **more):
    scalars = {name: float(name in met) for name in names}
    return CheckState(int(stamp_ns), GroundTruth(int(stamp_ns), {}, scalars), **more)


def statuses(scorer):
    return [s.status for s in scorer.subtasks]


def test_order_and_latch():
    scorer = EpisodeScorer(task(subtask("a"), subtask("b", after=["a"]), subtask("c")))
    scorer.setup(look(0))
    assert [s.name for s in scorer.active] == ["a", "c"] and scorer.current == 0
    scorer.update(look(TICK, "b"))
    assert statuses(scorer) == [SubTaskStatus.ACTIVE, SubTaskStatus.PENDING, SubTaskStatus.ACTIVE]
    scorer.update(look(2 * TICK, "a", "b"))
    assert statuses(scorer) == [SubTaskStatus.DONE, SubTaskStatus.ACTIVE, SubTaskStatus.ACTIVE]
    scorer.update(look(3 * TICK, "b"))
    assert statuses(scorer) == [SubTaskStatus.DONE, SubTaskStatus.DONE, SubTaskStatus.ACTIVE]
    assert scorer.current == 2 and scorer.outcome is None
    scorer.update(look(4 * TICK, "c"))
    assert scorer.outcome == "success" and scorer.score == 1.0 and scorer.failure is None
    assert [s.t_done for s in scorer.subtasks] == [0.1, 0.15, 0.2]
    scorer.update(look(5 * TICK))
    assert scorer.elapsed == pytest.approx(0.2)


def test_hold_wants_an_unbroken_second():
    scorer = EpisodeScorer(task(subtask("a", hold=1.0)))
    scorer.setup(look(0))
    for tick in range(1, 20):
        scorer.update(look(tick * TICK, "a"))
    scorer.update(look(20 * TICK))
    for tick in range(21, 41):
        scorer.update(look(tick * TICK, "a"))
        assert scorer.outcome is None
    scorer.update(look(41 * TICK, "a"))
    assert scorer.outcome == "success" and scorer.subtasks[0].t_done == pytest.approx(2.05)


def test_contacts_of_the_active():
    scorer = EpisodeScorer(
        task(
            subtask("a", contacts=[("fingers", "handle")]),
            subtask("b", contacts=[("handle", "fingers"), ("x", "y")]),
            subtask("c", after=["a"], contacts=[("p", "q")]),
        )
    )
    scorer.setup(look(0))
    assert scorer.wants.contacts == (("fingers", "handle"), ("x", "y"))
    scorer.update(look(TICK, "a", "b"))
    assert scorer.wants.contacts == (("p", "q"),)


def test_timeout_tells_failed_from_never_reached():
    scorer = EpisodeScorer(task(subtask("a"), subtask("b"), subtask("c", after=["b"])), time_limit=1.0)
    scorer.setup(look(0))
    for tick in range(1, 30):
        scorer.update(look(tick * TICK, "a"))
    assert scorer.outcome == "timeout" and scorer.elapsed == pytest.approx(1.0)
    assert statuses(scorer) == [SubTaskStatus.DONE, SubTaskStatus.FAILED, SubTaskStatus.PENDING]
    assert scorer.failure.type == "timeout" and scorer.failure.subtask == "b" and "b 0.000" in scorer.failure.detail
    assert scorer.score == pytest.approx(1 / 3)


def test_failure_when_nothing_is_left_to_do():
    scorer = EpisodeScorer(task(subtask("a", evidence="operator"), subtask("b", after=["a"]), subtask("c")))
    scorer.setup(look(0))
    scorer.update(look(TICK, operator={"a": False}))
    assert scorer.outcome is None
    scorer.update(look(2 * TICK, "c"))
    assert scorer.outcome == "failure" and scorer.failure.subtask == "a"
    assert statuses(scorer) == [SubTaskStatus.FAILED, SubTaskStatus.PENDING, SubTaskStatus.DONE]


def test_an_end_from_outside():
    scorer = EpisodeScorer(task(subtask("a")))
    scorer.setup(look(0))
    with pytest.raises(ValueError, match="stopped, error"):
        scorer.stop("success", "x", "y")
    scorer.stop("stopped", "estop", "pressed")
    scorer.stop("error", "node", "died")
    assert scorer.outcome == "stopped" and scorer.failure.type == "estop" and "pressed" in scorer.failure.detail


def test_jumps_of_the_clock_are_no_hold_time():
    scorer = EpisodeScorer(task(subtask("a", hold=1.0)))
    scorer.setup(look(0))
    scorer.update(look(TICK, "a"))
    scorer.update(look(100e9, "a"))
    assert scorer.outcome is None and scorer.elapsed == pytest.approx(0.05)
    scorer.update(look(1e9, "a"))
    assert scorer.outcome is None and scorer.elapsed == pytest.approx(0.05)


steps = st.lists(st.tuples(st.integers(-2_000_000_000, 2_000_000_000), st.booleans()), max_size=80)


@settings(max_examples=200, deadline=None)
@given(steps=steps, hold=st.floats(0.0, 3.0))
def test_hold_is_never_shorter_than_asked(steps, hold):
    scorer = EpisodeScorer(task(subtask("a", hold=hold), time_limit=1e6))
    now, streak, previous = 10_000_000_000_000, None, False
    scorer.setup(look(now))
    for step, met in steps:
        now += step
        scorer.update(look(now, *("a" if met else "")))
        counted = 0 <= step <= MAX_GAP_S * 1e9
        streak = None if not met else (streak + step if previous and counted else 0)
        previous = met
        should = streak is not None and streak / 1e9 >= hold - 1e-6
        if scorer.outcome == "success":
            assert should
            return
        assert not (streak is not None and streak / 1e9 > hold + 1e-6)


@settings(max_examples=200, deadline=None)
@given(
    looks=st.lists(st.sets(st.sampled_from("abcd")), max_size=30),
    after=st.tuples(*(st.sets(st.sampled_from("abcd"[:i])) if i else st.just(set()) for i in range(4))),
)
def test_order_progress_and_latches(looks, after):
    scorer = EpisodeScorer(task(*(subtask(n, after=sorted(a)) for n, a in zip("abcd", after)), time_limit=1e6))
    scorer.setup(look(0, names="abcd"))
    before = statuses(scorer)
    for i, met in enumerate(looks, 1):
        active = {s.name for s in scorer.active}
        scorer.update(look(i * TICK, *met, names="abcd"))
        for name, old, state in zip("abcd", before, scorer.subtasks):
            assert 0 <= state.progress <= 1
            if old is SubTaskStatus.DONE:
                assert state.status is SubTaskStatus.DONE
            elif state.status is SubTaskStatus.DONE:
                assert name in active and name in met
        done = {s.name for s in scorer.subtasks if s.status is SubTaskStatus.DONE}
        assert all(done >= set(s.after) for s in scorer.active)
        assert (scorer.outcome == "success") == (len(done) == 4)
        before = statuses(scorer)
        if scorer.outcome:
            return


@settings(deadline=None)
@given(steps=st.lists(st.integers(0, 500_000_000), max_size=60), limit=st.floats(0.1, 5.0))
def test_timeout_comes_at_the_limit_and_not_before(steps, limit):
    scorer = EpisodeScorer(task(subtask("a")), time_limit=limit)
    scorer.setup(look(0))
    now = 0
    for step in steps:
        now += step
        scorer.update(look(now))
        assert (scorer.outcome == "timeout") == (scorer.elapsed >= limit - 1e-9)
        if scorer.outcome:
            return
        assert scorer.elapsed == pytest.approx(now / 1e9)
