"""Plans and sets: what a plan expands to, what is refused, what a fault of the cell does to its pair."""

import dataclasses
from collections import Counter

import pytest

from helpers.fake_trials import card_of
from vipa import config
from vipa.errors import VipaError
from vipa.evaluation import plan as plans
from vipa.evaluation.plan import CommanderEntry, Plan, expand, scene_cards
from vipa.evaluation.trial_file import read
from vipa.evaluation.trial_set import TrialSet, begun
from vipa.evaluation.verdicts import verdict_of

TWO = {"one": CommanderEntry("expert"), "two": CommanderEntry("expert", noise=0.01)}
PLAN = Plan(TWO, ["water_plant", "put_three_obj"], ["seen", "unseen", "black"][:2], trials=6, seed=4)


def opened(folder, plan=PLAN, checkpoints=()):
    return TrialSet(folder, plan, begun(plan, dict(checkpoints)))


def run(trials, trial, verdict="failure"):
    counts = verdict != "system"
    row = trials.row(
        trial,
        verdict=verdict,
        success=(verdict == "success") if counts else None,
        subtask_score=0.5 if counts else None,
    )
    trials.record(trial, row)


def test_every_commander_meets_every_scene_one_right_after_the_other():
    trials = expand(PLAN)
    assert len(trials) == 2 * 2 * 6 * 2 and [t.order for t in trials] == list(range(48))
    for first, second in zip(trials[::2], trials[1::2], strict=True):
        assert first.card == second.card and {first.commander, second.commander} == set(TWO)
    cards = scene_cards(PLAN)
    assert len({c.pair_id for c in cards}) == len({(c.task, c.seed) for c in cards}) == 24
    assert {c.variant for c in cards if "unseen" in c.pair_id and c.task == "water_plant"} <= {"crimson", "black"}
    assert {c.variant for c in cards if "-seen" in c.pair_id} == {""}


def test_the_order_is_random_and_the_same_for_the_same_seed():
    trials = expand(PLAN)
    assert trials == expand(PLAN) != expand(dataclasses.replace(PLAN, seed=5))
    firsts = Counter(t.commander for t in trials[::2])
    assert 4 < firsts["one"] < 20  # neither always begins
    assert [t.card.pair_id for t in trials[::2]] != sorted(t.card.pair_id for t in trials[::2])
    assert not any(name in t.trial_id for t in trials for name in TWO)  # ids may be shown to a person


def test_more_trials_keep_no_promise_but_a_commander_more_keeps_the_scenes():
    three = dataclasses.replace(PLAN, commanders=TWO | {"three": CommanderEntry("expert")})
    assert scene_cards(three) == scene_cards(PLAN)


@pytest.mark.parametrize(
    "text, said",
    [
        ("commanders: {}\ntasks: [water_plant]\n", "commanders"),
        ("commanders: {a: {policy: expert}}\ntasks: []\n", "tasks"),
        ("commanders: {'a b': {policy: expert}}\ntasks: [water_plant]\n", "'a b'"),
        ("commanders: {a: {policy: expert}}\ntasks: [water_plant]\ntrials: 3\nseeds: [1, 2]\n", "seeds: 2 of them"),
        ("commanders: {a: {policy: expert}}\ntasks: [water_plant]\ntrials: 0\n", "trials"),
        ("commanders: {a: {policy: expert, speed: 2}}\ntasks: [water_plant]\n", "unknown key.*speed"),
        ("commanders: {a: {}}\ntasks: [water_plant]\n", "missing key.*policy"),
    ],
)
def test_a_plan_that_says_too_little_or_something_else_is_refused(tmp_path, text, said):
    (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(VipaError, match=said):
        plans.load(tmp_path / "plan.yaml")


def test_a_variant_that_a_task_does_not_have_is_refused():
    with pytest.raises(VipaError, match="unknown variant of task 'water_plant' 'pink'; allowed: black"):
        scene_cards(dataclasses.replace(PLAN, variants=["pink"]))


def test_it_goes_on_where_it_stopped(tmp_path):
    with opened(tmp_path) as trials:
        for trial in trials.todo()[:5]:
            run(trials, trial)
    with opened(tmp_path) as trials:
        assert [t.order for t in trials.todo()] == list(range(5, 48)) and len(trials.rows) == 5


def test_a_second_process_is_refused(tmp_path):
    with opened(tmp_path), pytest.raises(VipaError, match="another process runs this set"):
        opened(tmp_path)
    opened(tmp_path).close()


@pytest.mark.parametrize("what", ["plan", "checkpoint", "task", "robot"])
def test_what_has_changed_is_refused_by_its_name(tmp_path, monkeypatch, what):
    opened(tmp_path, checkpoints={"two": "1" * 64}).close()
    plan, checkpoints, said = PLAN, {"two": "1" * 64}, {"plan": "the plan", "checkpoint": "commander two"}.get(what)
    if what == "plan":
        plan = dataclasses.replace(PLAN, trials=7)
    elif what == "checkpoint":
        checkpoints = {"two": "2" * 64}
    else:
        kept, said = (
            config.fingerprint,
            {"task": "task put_three_obj, task water_plant", "robot": "robot fr3_single"}[what],
        )
        kind = {"task": "Task", "robot": "Robot"}[what]
        monkeypatch.setattr(config, "fingerprint", lambda v: kept(v) + "x" * (type(v).__name__ == kind))
    with pytest.raises(VipaError, match=f"was begun with other contents of: {said};"):
        opened(tmp_path, plan, checkpoints)


def test_a_fault_of_the_cell_has_its_pair_run_again_and_nothing_else(tmp_path):
    with opened(tmp_path) as trials:
        first, second, third, fourth = trials.todo()[:4]
        run(trials, first, "success")
        run(trials, second, "system")
        assert [(t.trial_id, t.attempt) for t in trials.todo()[:3]] == [("0000-2", 2), ("0001-2", 2), ("0002", 1)]
        run(trials, third, "success")
        for again in trials.todo()[:2]:
            run(trials, again, "safety")
        assert trials.todo()[0].trial_id == fourth.trial_id
    verdicts = {row.trial_id: row.verdict for row in read(tmp_path / "trials.jsonl")}
    assert verdicts == {
        "0000": "discarded",
        "0001": "system",
        "0002": "success",
        "0000-2": "safety",
        "0001-2": "safety",
    }


def test_a_trial_that_was_under_way_when_its_pair_met_a_fault_does_not_count(tmp_path):
    with opened(tmp_path) as trials:
        first, second = trials.todo()[:2]
        run(trials, second, "system")
        run(trials, first, "success")
        assert [row.verdict for row in trials.rows] == ["system", "discarded"]
        assert [t.trial_id for t in trials.todo()[:2]] == ["0000-2", "0001-2"]


def test_a_cell_that_stays_broken_is_not_asked_for_ever(tmp_path):
    with opened(tmp_path) as trials:
        for _ in range(3):
            run(trials, trials.todo()[0], "system")
        with pytest.raises(VipaError, match="met a fault of the cell 3 times"):
            trials.todo()


@pytest.mark.parametrize(
    "outcome, kind, detail, verdict",
    [
        ("success", "", "", "success"),
        ("failure", "failure", "nothing is left", "failure"),
        ("timeout", "timeout", "time limit", "out_of_time"),
        ("stopped", "safety stop", "83 N on arm", "safety"),
        ("stopped", "interrupted", "the graph was ended", None),
        ("stopped", "cancelled", "by the client", None),
        ("error", "commander", "no depth", "failure"),
        ("error", "node", "node 'policy' died", "failure"),
        ("error", "node", "node 'motion' died", "system"),
        ("error", "recorder", "disk full", "system"),
        ("error", "cell", "nothing heard", "system"),
    ],
)
def test_whose_doing_the_end_of_an_episode_is(outcome, kind, detail, verdict):
    assert verdict_of(card_of(0, outcome, kind, detail)) == verdict


def test_words_of_any_script_stay_in_their_line(tmp_path):
    """U+0085, U+2028 and U+2029 end lines for str.splitlines, and JSON holds them as they are."""
    with opened(tmp_path) as trials:
        trial, words = trials.todo()[0], "camera fell\u2028twice\u0085, said Zoë\u2029"
        trials.record(trial, trials.row(trial, verdict="system", success=None, subtask_score=None, failure_class=words))
    with opened(tmp_path) as trials:
        assert [row.failure_class for row in trials.rows] == [words]


def test_a_line_that_was_cut_within_a_character_is_none(tmp_path):
    with opened(tmp_path) as trials:
        for trial in trials.todo()[:2]:
            words = {"verdict": "failure", "success": False, "subtask_score": 0.0, "failure_class": "größer"}
            trials.record(trial, trials.row(trial, **words))
    path = tmp_path / "trials.jsonl"
    whole = path.read_bytes()
    for cut in range(len(whole) - 1, whole.index(b"\n"), -1):
        path.write_bytes(whole[:cut])
        assert len(read(path)) == 1, cut
