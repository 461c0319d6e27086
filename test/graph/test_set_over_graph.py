"""A set over the graph: one true trial, its line, its run folder, its place in the report."""

import json

import pytest

from vipa_cli.cli import main

pytestmark = pytest.mark.graph


@pytest.mark.slow  # in CI a set is led on a phone, over the graph: test_console.py
def test_a_trial_over_the_graph(tmp_path):
    (tmp_path / "plan.yaml").write_text(
        "tasks: [water_plant]\ntrials: 1\ncommanders: {expert: {policy: expert}}\n", encoding="utf-8"
    )
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(tmp_path / "plan.yaml"), "--graph", "--out", str(tmp_path / "set")])
    assert end.value.code == 0
    row = json.loads((tmp_path / "set/trials.jsonl").read_text(encoding="utf-8"))
    run = tmp_path / "set" / row["run_folder"]
    assert row["verdict"] == "success" and row["subtask_score"] == 1 and row["latency"]["mode"] == "real"
    assert (run / "bag").is_dir() and json.loads((run / "scorecard.json").read_text(encoding="utf-8"))[
        "success"
    ] is True
    with pytest.raises(SystemExit) as end:
        main(["report", str(tmp_path / "set")])
    assert end.value.code == 0 and f"{row['run_folder']}/bag" in (tmp_path / "set/report.html").read_text(
        encoding="utf-8"
    )
