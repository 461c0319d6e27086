"""`vipa evaluate`: goes on where it stopped with trials of the same settings alone, and stops at an error that all would meet."""

import dataclasses
import json

import pytest

from vipa import resources
from vipa.tasks import scorecard
from vipa.tasks.scorer import EpisodeScorer
from vipa.tasks.task import load_task
from vipa_cli.cli import main
from vipa_sim import trials


def card_of(seed, outcome, kind, detail):
    """The scorecard of an episode that ended so."""
    scorer = EpisodeScorer(load_task("water_plant"))
    scorer.stop("error", kind, detail)
    card = scorecard.score(
        scorer, episode_id="1", robot="r", cell="sim", commander="expert", seed=seed, variant="v", wall_s=1.0
    )
    return dataclasses.replace(card, outcome=outcome, success=outcome == "success")


@pytest.fixture
def ran(monkeypatch):
    """Seeds that were run. How a trial ends: `ran.ends` by seed, (outcome, type, detail)."""

    class Ran(list):
        ends: dict = {}

    seeds = Ran()

    def run_trial(trial):
        seeds.append(trial.seed)
        return trials.Outcome(
            trial, card_of(trial.seed, *Ran.ends.get(trial.seed, ("timeout", "timeout", "over"))), (), ()
        )

    monkeypatch.setattr(trials, "run_trial", run_trial)
    Ran.ends = {}
    return seeds


def evaluate(*args, task="water_plant"):
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--task", task, *args])
    return end.value.code


def test_the_same_call_goes_on_where_it_stopped(ran, tmp_path, capsys):
    out = str(tmp_path / "new" / "trials.jsonl")
    assert evaluate("--seeds", "0:2", "--out", out) == 0
    assert evaluate("--seeds", "0:4", "--out", out) == 0
    assert ran == [0, 1, 2, 3] and "2 of 4 episodes are in" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change, said",
    [
        (["--policy", "water_plant"], "policy 'expert', not 'water_plant'; checkpoint_sha256 '', not '"),
        (["--variant", "black"], "variant '', not 'black'"),
        (["--delay", "0.2"], "delay_s None, not 0.2"),
        (["--noise", "0.01"], "noise 0.0, not 0.01"),
        (["--precision", "int8"], "precision '', not 'int8'"),
        (["--fixed-cameras"], "fixed_cameras False, not True"),
        (["--camera-noise"], "camera_noise False, not True"),
    ],
)
def test_trials_of_other_settings_are_not_counted_as_its_own(ran, tmp_path, capsys, change, said):
    out = tmp_path / "trials.jsonl"
    evaluate("--seeds", "0:2", "--out", str(out))
    before = out.read_bytes()
    assert evaluate("--seeds", "0:2", "--out", str(out), *change) == 2
    error = capsys.readouterr().err
    assert f"{out}:1: is of other trials: {said}" in error and "name another file with --out" in error
    assert ran == [0, 1] and out.read_bytes() == before


def test_a_changed_task_file_is_another_trial(ran, tmp_path, capsys):
    text = resources.find("tasks", "water_plant").read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    out, own = str(tmp_path / "trials.jsonl"), str(tmp_path / "own.yaml")
    evaluate("--seeds", "0", "--out", out, task=own)
    (tmp_path / "own.yaml").write_text(text.replace("hold: 0.5", "hold: 0.4"), encoding="utf-8")
    assert evaluate("--seeds", "0", "--out", out, task=own) == 2
    assert "is of other trials: task_sha256" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line, said", [("{", "not JSON"), ("[]", "expected dict"), ("{}", "says nothing of its trial")]
)
def test_a_file_of_something_else_is_refused_by_its_line(ran, tmp_path, capsys, line, said):
    out = tmp_path / "trials.jsonl"
    evaluate("--seeds", "0", "--out", str(out))
    with out.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    assert evaluate("--seeds", "0", "--out", str(out)) == 2
    error = capsys.readouterr().err
    assert f"{out}:2" in error and said in error


def test_it_stops_at_an_error_that_every_trial_meets(ran, tmp_path, capsys):
    type(ran).ends = dict.fromkeys(range(10), ("error", "commander", "no depth"))
    out = tmp_path / "trials.jsonl"
    assert evaluate("--seeds", "0:10", "--out", str(out)) == 1
    assert ran == [0, 1] and "as every other would: commander: no depth" in capsys.readouterr().out
    type(ran).ends = {}
    assert evaluate("--seeds", "0:3", "--out", str(out)) == 0  # what ended as an error is run again
    assert ran == [0, 1, 0, 1, 2]
    assert [json.loads(text)["outcome"] for text in out.read_text(encoding="utf-8").splitlines()] == ["error"] * 2 + [
        "timeout"
    ] * 3


def test_a_single_error_stops_nothing_and_is_told(ran, capsys):
    type(ran).ends = {1: ("error", "commander", "no depth")}
    assert evaluate("--seeds", "0:3") == 1
    assert ran == [0, 1, 2] and "1 trials ended as errors" in capsys.readouterr().out


def test_an_instruction_that_is_too_long_is_refused_before_anything_starts(ran, tmp_path, capsys):
    text = resources.find("tasks", "water_plant").read_text(encoding="utf-8")
    own = tmp_path / "own.yaml"
    own.write_text(text.replace("water the plant", "please water the plant on the table"), encoding="utf-8")
    for line in (["evaluate", "--seeds", "0:2"], ["episode", "--out", str(tmp_path / "runs")],
                 ["episode", "--in-process", "--out", str(tmp_path / "runs")]):  # fmt: skip
        with pytest.raises(SystemExit) as end:
            main([*line, "--task", str(own), "--policy", "water_plant"])
        assert end.value.code == 2
        assert "tokens; allowed: up to 24" in capsys.readouterr().err
    assert ran == [] and not (tmp_path / "runs").exists()


@pytest.mark.parametrize("outcome, required, status", [("success", True, 0), ("timeout", False, 0), ("timeout", True, 1),
                                                       ("failure", False, 0), ("error", False, 1), ("stopped", False, 1)])  # fmt: skip
def test_the_exit_status_of_an_episode(outcome, required, status):
    assert scorecard.exit_status(card_of(0, outcome, "x", "y"), required) == status
