"""`vipa compare`: its JSON form, what counts, who is paired with whom, and what the paper's own counts say."""

import json

import pytest

from vipa.errors import VipaError
from vipa.evaluation import comparison, trial_file
from vipa.evaluation.trial_file import TrialRow
from vipa_cli.cli import main


def row(pair, commander, score, order=0, verdict=None, task="t", **more) -> TrialRow:
    wins = score == 1
    verdict = verdict or ("success" if wins else "failure")
    fields = {"trial_id": f"{task}-{pair}-{commander}-{verdict}", "pair_id": pair, "task": task, "commander": commander}
    return TrialRow(**(fields | more), order=order, verdict=verdict, success=wins, subtask_score=score)


def pairs_of(scores) -> list[TrialRow]:
    return [row(f"p{i}", who, s, i) for i, two in enumerate(scores) for who, s in zip("xy", two, strict=True)]


def test_the_form_of_the_json(tmp_path, capsys):
    rows = pairs_of([(1, 0.5), (1, 1), (0, 0), (0.5, 1), (1, 0)])
    trial_file.write(tmp_path / "trials.jsonl", rows)
    with pytest.raises(SystemExit) as end:
        main(["compare", str(tmp_path), "--a", "x", "--b", "y", "--task", "t", "--json"])
    assert end.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found == comparison.compare(rows, "x", "y")
    assert list(found) == ["a", "b", "paired", "unpaired", "sequential", "verdict", "more_trials_for_80_power"]
    assert list(found["a"]) == list(found["b"]) == ["n", "successes", "rate", "ci95", "score_mean", "score_ci95"]
    assert list(found["paired"]) == ["pairs", "both", "a_only", "b_only", "neither", "mcnemar_exact_p", "score_diff_mean",
                                     "score_diff_ci95", "sign_flip_p"]  # fmt: skip
    assert list(found["unpaired"]) == ["barnard_p", "newcombe_ci95"]
    assert list(found["sequential"]) == ["alpha", "e_value", "decided_at"]
    assert (found["a"]["n"], found["a"]["successes"], found["a"]["score_mean"]) == (5, 3, pytest.approx(0.7))
    paired = found["paired"]
    assert [paired[k] for k in ("pairs", "both", "a_only", "b_only", "neither")] == [5, 1, 2, 1, 1]
    assert paired["score_diff_mean"] == pytest.approx(0.2) and found["verdict"] == "not shown"


def test_the_verdict_is_the_sequential_tests_where_there_are_pairs():
    found = comparison.compare(pairs_of([(1, 0)] * 9), "x", "y")
    assert found["verdict"] == "a better" and found["more_trials_for_80_power"] == 0
    assert comparison.compare(pairs_of([(1, 0)] * 9), "y", "x")["verdict"] == "b better"
    seven = comparison.compare(pairs_of([(1, 0)] * 6), "x", "y")  # enough for McNemar, had their number been fixed
    assert seven["paired"]["mcnemar_exact_p"] < 0.05 and seven["verdict"] == "not shown"


def test_pairs_are_taken_in_the_order_in_which_they_were_run():
    rows = pairs_of([(1, 0)] * 9 + [(0, 1)] * 9)
    forward = comparison.compare(rows[::-1], "x", "y")
    assert forward["verdict"] == "a better" and forward["sequential"]["decided_at"] <= 9


def test_what_does_not_count_is_left_out_and_half_pairs_are_no_pairs():
    rows = [
        *pairs_of([(1, 0), (0, 1)]),
        row("p9", "x", 1),
        row("p8", "x", 1, verdict="discarded"),
        row("p8", "y", 0, verdict="system"),
    ]
    found = comparison.compare(rows, "x", "y")
    assert (found["a"]["n"], found["b"]["n"], found["paired"]["pairs"]) == (3, 2, 2)


def test_tasks_are_apart_or_together():
    rows = [*pairs_of([(1, 0)] * 4), *(row("p0", who, s, task="u") for who, s in (("x", 0), ("y", 1)))]
    assert comparison.compare(rows, "x", "y", "u")["paired"]["b_only"] == 1
    assert comparison.compare(rows, "x", "y")["paired"]["pairs"] == 5


@pytest.mark.parametrize(
    "args, said",
    [
        (("x", "z"), "unknown commander 'z'; allowed: x, y"),
        (("x", "x"), "beside itself"),
        (("x", "y", "k"), "unknown task 'k'; allowed: t"),
    ],
)
def test_who_or_what_has_no_trials_is_named(args, said):
    with pytest.raises(VipaError, match=said):
        comparison.compare(pairs_of([(1, 0)]), *args)


@pytest.mark.parametrize(
    "a, b, shown",
    [
        ("6/20", "3/20", False),  # flower insertion, VIPA-VLA against π0.5
        ("6/10", "3/10", False),  # Wipe-Board, VIPA-VLA against GR00T N1.5
        ("6/10", "1/10", True),  # … against Being-H0
    ],
)
def test_the_papers_counts(a, b, shown):
    found = comparison.compare(comparison.rows_of_counts({"a": a, "b": b}), "a", "b")
    assert found["paired"] is None and found["sequential"] == {
        "alpha": 0.05,
        "e_value": pytest.approx(1.0),
        "decided_at": None,
    }
    assert (found["verdict"] == "a better") == (shown) == (found["unpaired"]["barnard_p"] <= 0.05)
    assert (found["unpaired"]["newcombe_ci95"][0] > 0) == (shown)
    assert (found["more_trials_for_80_power"] == 0) == (shown)


LINE = '{"schema": "vipa/trial/1", "trial_id": "1", "pair_id": "p", "task": "t", "commander": "x", "verdict": "failure", "success": false, "subtask_score": 0.5}'


@pytest.mark.parametrize(
    "text, said",
    [
        ("{\n", ":1: not JSON"),
        (LINE.replace("0.5", "1.5") + "\n", "subtask_score"),
        (LINE.replace("failure", "lost") + "\n", "verdict"),
        (LINE.replace("false", "true") + "\n", "does not match verdict"),
        (LINE.replace("false", "null") + "\n", "without success"),
        (LINE + "\n" + LINE + "\n", ":2: trial_id '1' stands in line 1"),
        (LINE + "\n" + LINE.replace('"1"', '"2"') + "\n", "pair 'p' has a trial of 'x' in line 1"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_its_line(tmp_path, text, said):
    (tmp_path / "t.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(VipaError, match=said):
        trial_file.read(tmp_path / "t.jsonl")


def test_a_line_that_a_kill_has_torn_is_no_trial_and_is_cut_off(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(LINE + "\n" + LINE[:40], encoding="utf-8")
    assert len(trial_file.read(path)) == 1
    trial_file.repair(path)
    trial_file.append(path, trial_file.read(path)[0])
    assert path.read_text(encoding="utf-8").count("\n") == 2


@pytest.mark.parametrize("text", ["7", "8/7", "0/0", "a/b", "-1/5"])
def test_counts_that_are_none_are_refused(text):
    with pytest.raises(VipaError, match="counts"):
        comparison.rows_of_counts({"a": text, "b": "1/2"})
