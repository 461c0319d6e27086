"""`vipa evaluate`: a plan or its short form, what it refuses before anything runs, what it says, its exit status."""

import json
from typing import ClassVar

import pytest

from helpers.fake_trials import card_of
from vipa import resources
from vipa.tasks import scorecard
from vipa_cli.cli import main
from vipa_ros.evaluation import in_process, session
from vipa_sim.trials import Outcome

PLAN = """
tasks: [water_plant]
trials: 3
commanders:
  steady: {policy: expert}
  shaky: {policy: expert, noise: 0.05}
"""


@pytest.fixture
def ran(monkeypatch):
    """Trials that were run. How one ends: `ran.ends` by seed, or by all: (outcome, type, detail), or a fault's words."""

    class Ran(list):
        ends: ClassVar[dict] = {}

    found = Ran()

    def run_trial(trial):
        found.append(trial)
        end = Ran.ends.get(
            trial.seed, Ran.ends.get("all", ("success" if not trial.noise else "timeout", "timeout", "over"))
        )
        if isinstance(end, str):
            return Outcome(None, end)
        card = card_of(trial.seed, *end)
        return Outcome(card if end[0] != "success" else whole(card))

    monkeypatch.setattr(in_process, "run_trial", run_trial)
    monkeypatch.setattr(session.sim_trials, "measure_latency", lambda trial: (0.03, 0.05))
    Ran.ends = {}
    return found


def whole(card):
    """`card` with everything done."""
    from dataclasses import replace

    done = [replace(s, status="done", t_done_s=1.0) for s in card.subtasks]
    return replace(card, subtasks=done, subtask_score=1.0, failure=None)


def evaluate(*args):
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--jobs", "1", *map(str, args)])
    return end.value.code


def short(*args, task="water_plant"):
    return evaluate("--task", task, *args)


def rows(folder):
    return [json.loads(text) for text in (folder / "trials.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_plan_compares_its_commanders(ran, tmp_path, capsys):
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    assert evaluate(tmp_path / "plan.yaml", "--out", tmp_path / "set") == 0
    said = capsys.readouterr().out
    assert "6 trials: 2 commanders, 3 scenes" in said and "steady  3/3 succeeded" in said and "shaky   0/3" in said
    assert "of steady and shaky neither is shown to be better (e-value" in said
    found = rows(tmp_path / "set")
    assert list(found[0]) == ["schema", "trial_id", "pair_id", "task", "variant", "seed", "commander", "commander_sha256", "plan_sha256",
                              "order", "verdict", "success", "subtask_score", "duration_s", "latency", "failure_class", "run_folder"]  # fmt: skip
    assert len({(r["pair_id"], r["commander"]) for r in found}) == 6 and found[0]["schema"] == "vipa/trial/1"
    assert len({r["commander_sha256"] for r in found}) == 2 and len({r["plan_sha256"] for r in found}) == 1


def test_the_same_call_goes_on_where_it_stopped(ran, tmp_path, capsys):
    type(ran).ends = {"all": "RuntimeError: no light"}
    assert short("--seeds", "0:4", "--out", tmp_path) == 1
    assert (
        "two trials in a row met the same fault, as every other would: RuntimeError: no light"
        in capsys.readouterr().out
    )
    assert len(ran) == 2 and [r["verdict"] for r in rows(tmp_path)] == ["system"] * 2
    type(ran).ends = {}
    assert short("--seeds", "0:4", "--out", tmp_path) == 0
    assert len(ran) == 6 and "2 trials do not count" in capsys.readouterr().out
    assert short("--seeds", "0:4", "--out", tmp_path) == 0
    assert len(ran) == 6 and "4 of them are done" in capsys.readouterr().out


@pytest.mark.parametrize(
    "kind, detail",
    [("commander", "the instruction has 26 tokens; allowed: 24"), ("node", "node 'expert' died")],
)
def test_an_error_that_a_commander_meets_in_every_trial_ends_the_set(ran, tmp_path, capsys, kind, detail):
    type(ran).ends = {"all": ("error", kind, detail)}
    assert short("--seeds", "0:6", "--out", tmp_path) == 1
    said = capsys.readouterr().out
    assert f"two trials of commander expert in a row met the same fault, as every other would: {detail}" in said
    assert [r["verdict"] for r in rows(tmp_path)] == ["failure"] * 2


def test_one_commander_may_err_now_and_then(ran, tmp_path):
    type(ran).ends = {0: ("error", "commander", "crashed: KeyError"), 2: ("error", "commander", "crashed: KeyError")}
    assert short("--seeds", "0:5", "--out", tmp_path) == 0
    assert [r["verdict"] for r in rows(tmp_path)] == ["failure", "success", "failure", "success", "success"]


def test_several_tasks_are_one_set(ran, tmp_path, capsys):
    assert short("--seeds", "5,7", "--out", tmp_path, task="water_plant,wipe_board") == 0
    assert sorted((r["task"], r["seed"]) for r in rows(tmp_path)) == [
        ("water_plant", 5), ("water_plant", 7), ("wipe_board", 5), ("wipe_board", 7)
    ]  # fmt: skip


def test_without_a_folder_nothing_is_kept(ran, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert short("--seeds", "5,7") == 0
    assert sorted(t.seed for t in ran) == [5, 7] and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change, said",
    [
        (["--policy", "water_plant"], "the plan, commander expert, commander water_plant"),
        (["--variant", "black"], "the plan"),
        (["--delay", "0.2"], "the plan, commander expert"),
        (["--seeds", "0:3"], "the plan"),
    ],
)
def test_another_set_is_not_mixed_with_it(ran, tmp_path, capsys, change, said):
    short("--seeds", "0:2", "--out", tmp_path)
    before = (tmp_path / "trials.jsonl").read_bytes()
    assert short("--seeds", "0:2", "--out", tmp_path, *change) == 2
    assert f"was begun with other contents of: {said};" in capsys.readouterr().err
    assert len(ran) == 2 and (tmp_path / "trials.jsonl").read_bytes() == before


def test_a_changed_task_file_is_another_set(ran, tmp_path, capsys):
    text = resources.find("tasks", "water_plant").read_text(encoding="utf-8")
    own = tmp_path / "own.yaml"
    own.write_text(text, encoding="utf-8")
    short("--seeds", "0", "--out", tmp_path / "set", task=str(own))
    own.write_text(text.replace("hold: 0.5", "hold: 0.4"), encoding="utf-8")
    assert short("--seeds", "0", "--out", tmp_path / "set", task=str(own)) == 2
    assert "task water_plant" in capsys.readouterr().err


@pytest.mark.parametrize(
    "args, said",
    [
        (["plan.yaml", "--task", "water_plant"], "name either a plan or --task"),
        ([], "name either a plan or --task"),
        (["plan.yaml"], "--out DIR"),
        (["nowhere.yaml", "--out", "x"], "nowhere.yaml: No such file"),
        (["--task", "water_plant", "--jobs", "0"], "--jobs must be at least 1"),
        (["--task", "water_plant", "--policy", "none"], "unknown policy 'none'"),
        (["--task", "water_plant", "--policy", "teleop:keyboard"], "drives in real time; allowed: with --graph"),
        (["--task", "water_plant", "--variant", "pink"], "unknown variant"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is(ran, tmp_path, monkeypatch, capsys, args, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    assert evaluate(*args) == 2
    assert said in capsys.readouterr().err and not ran and not (tmp_path / "x").exists()


def test_inference_is_charged_as_measured_or_free(ran, tmp_path, capsys):
    assert short("--policy", "water_plant", "--seeds", "0", "--out", tmp_path / "a") == 0
    assert ran[0].latencies == (0.03, 0.05) and ran[0].delay_s is None
    assert json.loads((tmp_path / "a/latency.json").read_text(encoding="utf-8")) == {"water_plant": [0.03, 0.05]}
    (tmp_path / "plan.yaml").write_text(
        PLAN.replace("steady: {policy: expert}", "steady: {policy: water_plant}") + "latency: free\n",
        encoding="utf-8",
    )
    assert evaluate(tmp_path / "plan.yaml", "--out", tmp_path / "b") == 0
    assert {t.delay_s for t in ran[1:]} == {0.0} and {r["latency"]["mode"] for r in rows(tmp_path / "b")} == {"free"}


def test_an_instruction_that_is_too_long_is_refused_before_anything_starts(ran, tmp_path, capsys):
    text = resources.find("tasks", "water_plant").read_text(encoding="utf-8")
    own = tmp_path / "own.yaml"
    own.write_text(
        text.replace(
            "water the plant", "please water the plant on the table, then the one beside it, and put the can back"
        ),
        encoding="utf-8",
    )
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
