"""A set on a real cell, its person and its episodes played: verdicts, notes, redo, the wait after a safety stop, blindness."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from vipa.errors import VipaError
from vipa.evaluation import preferences, trial_file
from vipa.evaluation.desk import TerminalDesk
from vipa.evaluation.plan import CommanderEntry, Plan
from vipa.evaluation.trial_set import TrialSet, begun
from vipa_cli.trial_lines import Told
from vipa_ros.evaluation import real_cell
from vipa_ros.evaluation.session import Options

PLAN = Plan({"alpha": CommanderEntry("water_plant"), "omega": CommanderEntry("water_plant", precision="fp32")}, ["water_plant"],
            trials=2, cell="real", driver="ur")  # fmt: skip


@pytest.fixture
def cell(monkeypatch):
    """Trials that were reset, and how each attempt ends: verdicts by trial_id."""

    cell = SimpleNamespace(reset=[], ends={})
    monkeypatch.setattr(real_cell, "reset", lambda trials, trial, options, keyed: cell.reset.append(trial.trial_id))

    def run_trial(trials, trial, options):
        verdict = cell.ends.get(trial.trial_id, "failure")
        done = verdict == "success"
        return trials.row(
            trial, verdict=verdict, success=done, subtask_score=1.0 if done else 1 / 3, duration_s=9.0
        ), None

    monkeypatch.setattr(real_cell.over_graph, "run_trial", run_trial)
    return cell


def played(folder, answers, plan=PLAN, **options):
    """Runs the set with the person's `answers`, which must be all of them; returns its rows."""
    left = ["Ada", *answers]
    with TrialSet(folder, plan, begun(plan, {})) as trials:
        told = Told(trials)
        told.begin(True)
        real_cell.run(trials, Options(**options), told.trial, TerminalDesk(lambda prompt: left.pop(0)))
        told.end("")
    assert not left
    return {row.trial_id: row for row in trial_file.read(folder / "trials.jsonl")}


def notes(folder, trial):
    return json.loads((folder / "trials" / trial / "notes.json").read_text(encoding="utf-8"))


def test_verdicts_and_notes_are_the_persons(cell, tmp_path):
    cell.ends = {"0000": "success"}
    rows = played(tmp_path, ["", "", "s", "it sprayed, unseen by the check", "x", "f", "", "u", "bumped the table"])
    assert [rows[f"000{i}"].verdict for i in range(4)] == ["success", "success", "failure", "unscored"]
    assert rows["0001"].success and rows["0001"].subtask_score == 1 and rows["0003"].success is None
    assert notes(tmp_path, "0001") == {"operator": "Ada", "measured": "failure", "verdict": "success", "reason": "",
                                       "notes": "it sprayed, unseen by the check"}  # fmt: skip
    assert cell.reset == ["0000", "0001", "0002", "0003"]


def test_a_redo_wants_a_reason_and_runs_the_pair_again(cell, tmp_path):
    rows = played(tmp_path, ["", "", "r", "", "camera fell", "", *[""] * 8])
    assert {i: r.verdict for i, r in rows.items()} == {"0000": "discarded", "0001": "system", "0000-2": "failure", "0001-2": "failure",
                                                       "0002": "failure", "0003": "failure"}  # fmt: skip
    assert rows["0001"].failure_class == "camera fell" and cell.reset[2:4] == ["0000-2", "0001-2"]


def test_after_a_safety_stop_the_set_waits_for_a_person(cell, tmp_path):
    cell.ends = {"0001": "safety"}
    rows = played(tmp_path, ["", "", "", "", "", "yes", "go on", *[""] * 4])
    assert rows["0001"].verdict == "safety" and len(rows) == 4


def test_nobody_reads_who_commands_before_the_end(cell, tmp_path, capsys):
    played(tmp_path, [""] * 8)
    said = capsys.readouterr().out
    before, _, after = said.partition("   4/4")
    assert "alpha" not in before and "omega" not in before and "alpha" in after.splitlines()[1]


def test_without_a_terminal_it_is_refused(cell, tmp_path):
    def gone(question):
        raise EOFError

    with TrialSet(tmp_path, PLAN, begun(PLAN, {})) as trials, pytest.raises(VipaError, match="wants a person"):
        real_cell.run(trials, Options(), lambda *_: None, TerminalDesk(gone))


def test_a_commander_of_another_name_is_another_plan():
    assert replace(PLAN, driver="franka").sha256 != PLAN.sha256


def test_a_preference_is_asked_where_two_trials_ended_alike(cell, tmp_path):
    cell.ends = {"0000": "success"}  # the first pair ends apart, the second alike
    rows = played(tmp_path, [*[""] * 4, "", "", "", "", "2", "", "it let go more gently"], preferences=True)
    (found,) = preferences.read(tmp_path)
    assert (found.first, found.second, found.preferred, found.reason) == (
        "0002",
        "0003",
        "0003",
        "it let go more gently",
    )
    said = preferences.words([found], list(rows.values()), "alpha", "omega")
    winner = rows["0003"].commander
    assert (
        "of 1 pairs that ended alike" in said and f"{winner} was preferred in 1" in said
    ) or f"{winner} in 1" in said
    assert "sign test p = 1" in said
    with pytest.raises(ValueError, match="preferred"):
        replace(found, preferred="9999")


def test_of_three_commanders_every_two_that_ended_alike_are_compared(cell, tmp_path):
    third = CommanderEntry("water_plant", precision="int8")
    plan = replace(PLAN, commanders=PLAN.commanders | {"sigma": third}, trials=1)
    cell.ends = {"0001": "success"}  # the first and the third ended alike
    played(tmp_path, [*[""] * 6, "1", "it did not shake,\u2028not once"], plan, preferences=True)
    assert [(p.first, p.second, p.preferred) for p in preferences.read(tmp_path)] == [("0000", "0002", "0000")]
