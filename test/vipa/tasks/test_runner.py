"""One episode by its runner: what ends it, what it tells motion, what it samples, whoever steps it."""

import dataclasses

import pytest

from vipa.robot.description import load_robot
from vipa.robot.state import GroundTruth
from vipa.tasks.heartbeats import Heartbeats
from vipa.tasks.runner import COMMANDER_TIMEOUT_S, EpisodePhase, EpisodeRunner
from vipa.tasks.task import load_task

ROBOT, TASK = load_robot("fr3_single"), load_task("put_three_obj")
SECOND = 1_000_000_000
STATE = {"drawer": (0.45, 0.4, 0.1, 0, 0, 0, 1), "apple": (0.4, -0.3, 0.04, 0, 0, 0, 1)}
STATE |= {"banana": STATE["apple"], "plum": STATE["apple"]}


def truth(stamp_ns, opened=0.0, bodies=STATE):
    return GroundTruth(stamp_ns, dict(bodies), {"drawer": opened}, ())


@pytest.fixture
def run():
    made = EpisodeRunner(
        dataclasses.replace(TASK, subtasks=TASK.subtasks[:1]),
        ROBOT,
        "somebody",
        episode_id="an-id",
        seed=7,
        variant="sage",
    )
    made.begin(SECOND)
    return made


def look(run, after_s, opened=0.0):
    run.advance(SECOND + round(after_s * 1e9))
    return run.look({}, truth(run.now_ns, opened))


def test_a_sub_task_that_is_done_ends_it_and_the_card_says_whose_it_was(run):
    assert look(run, 0.0) and not look(run, 0.05) and run.outcome is None
    assert look(run, 0.1, opened=0.2) and run.outcome == "success"
    run.end()
    card = run.scorecard(1.5, dropped_frames=3)
    assert (card.episode_id, card.seed, card.variant, card.commander) == ("an-id", 7, "sage", "somebody")
    assert card.duration_s == pytest.approx(0.1) and card.timing.dropped_frames == 3


def test_what_motion_must_be_told_is_told_once(run):
    look(run, 0.0)
    assert run.wants_changed().contacts == (("drawer_handle", "fingers"),)
    look(run, 0.05)
    assert run.wants_changed() is None
    look(run, 0.1, opened=0.2)
    assert run.wants_changed().contacts == ()


@pytest.mark.parametrize(
    "end, outcome, kind",
    [
        (lambda run: run.safety_stop(["e-stop: me", "wrench"]), "stopped", "safety stop"),
        (lambda run: run.cancel(), "stopped", "cancelled"),
        (lambda run: run.wants_refused("no such link"), "error", "motion"),
        (lambda run: run.fail("recorder", "disk full"), "error", "recorder"),
    ],
)
def test_what_ends_it_from_outside(run, end, outcome, kind):
    look(run, 0.0)
    end(run)
    run.cancel()  # the first end counts
    assert (run.outcome, run.scorer.failure.type) == (outcome, kind)


def test_a_scene_without_what_a_check_asks_for_is_an_error_of_the_task(run):
    run.task.subtasks[0].params["joint"] = "drawer"
    run.advance(SECOND)
    run.look({}, GroundTruth(SECOND, {}, {}, ()))
    assert (run.outcome, run.scorer.failure.type) == ("error", "task") and "drawer" in run.scorer.failure.detail


def test_a_silent_commander_is_an_error_with_the_reason_that_stood_longest(run):
    for k in range(60):
        run.advance(SECOND + k * SECOND // 10)
        run.commander_said("camera wrist: no frame yet" if k > 5 else "the task manager is silent")
        run.watch_commander()
        assert (run.outcome is None) == (k / 10 <= COMMANDER_TIMEOUT_S)
    assert run.scorer.failure.detail == "camera wrist: no frame yet, for 5 s of ROS time"


def test_an_episode_says_what_it_waits_for_until_the_commander_is_heard_again(run):
    said = []
    for k in range(40):
        run.advance(SECOND + k * SECOND // 10)
        if k < 5 or k >= 30:
            run.commander_said("")
        said.append(run.waits_for)
    assert not any(said[:19]) and not any(said[30:])
    assert said[25] == f"commander {run.commander}: nothing heard from it, for 2.1 s"


def test_silence_counts_anew_after_a_word_and_after_a_jump_of_the_clock(run):
    run.advance(5 * SECOND)  # a jump of 4 s
    run.watch_commander()
    for k in range(12):
        run.advance(5 * SECOND + k * SECOND // 2)
        if k == 6:
            run.commander_said("", sent=True, step_ms=4.0)
        run.watch_commander()
    assert run.outcome is None and run.samples.policy_ms == [4.0]


def test_while_a_person_drives_neither_time_nor_silence_counts(run):
    limit = run.scorer.time_limit
    look(run, 0.0)
    for k in range(1, 400):
        if k in (100, 300):
            run.drive("teleop" if k == 100 else "somebody", "me")
        if k <= 100 or k > 300:
            run.commander_said("")
        look(run, k * 0.05)
        run.watch_commander()
    assert run.outcome is None and run.interventions == 1 and run.commander_drives
    assert run.scorer.time_limit == pytest.approx(limit + 200 * 0.05)


def test_only_a_running_episode_takes_samples_and_verdicts():
    run = EpisodeRunner(TASK.judged(), ROBOT, "somebody", cell="real")
    for phase in (EpisodePhase.RESETTING, EpisodePhase.RUNNING, EpisodePhase.FINISHED):
        run.phase = phase
        run.commander_said("", True, 1.0)
        run.motion_said(0.1, 2.0)
        run.chunk_came("somebody", 0, 0.1)
        run.chunk_came("somebody else", 0, 0.1)
        run.look({}, None)
        accepted, words = run.judge("", True)
        assert accepted == (phase is EpisodePhase.RUNNING), words
    assert len(run.samples.policy_ms) == len(run.samples.observation_age_ms) == len(run.samples.chunk_delay_steps) == 1
    assert run.verdicts == {"open drawer": True}


def test_the_same_verdict_again_changes_nothing_and_is_granted():
    run = EpisodeRunner(TASK.judged(), ROBOT, "somebody", cell="real")
    run.phase = EpisodePhase.RUNNING
    for _ in range(2):
        run.advance(run.now_ns + 10**9)
        run.look({}, None)
    first, second = run.task.subtasks[0].name, run.task.subtasks[1].name
    assert run.judge(first, True) == (True, f"{first}: done")
    for _ in range(3):
        run.advance(run.now_ns + 10**9)
        run.look({}, None)
    assert first not in [s.name for s in run.scorer.active]
    assert run.judge(first, True) == (True, f"{first}: done") and run.verdicts == {first: True}
    assert not run.judge(first, False)[0]
    assert run.judge(second, False) == (True, f"{second}: failed")
    run.advance(run.now_ns + 10**9)
    run.look({}, None)
    run.phase = EpisodePhase.FINISHED
    assert run.judge(second, False) == (True, f"{second}: failed") and not run.judge("", False)[0]


def test_who_has_fallen_silent():
    beats = Heartbeats({"motion": 4.0, "cell": 6.0}, now=0.0)
    said = {}
    for tenth in range(100):
        now = tenth / 10
        if now < 3:
            beats.heard("cell", now)
        for name in beats.silent(now):
            said.setdefault(name, now)
    assert said == {"motion": pytest.approx(4.1), "cell": pytest.approx(8.95, abs=0.06)}


def test_who_stood_still_itself_blames_nobody():
    beats = Heartbeats({"motion": 4.0}, now=0.0)
    assert [beats.silent(now) for now in (3.9, 4.5, 5.4, 100.0)] == [[], [], [], []]
