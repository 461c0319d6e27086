"""`--json`: one document on standard output whatever is printed meanwhile, by child processes too; the exit status is the same."""

import json
import subprocess
import sys

import pytest

from helpers.synthetic_bag import EPISODE_ID, write_episode
from vipa_cli import cli, json_document


def vipa(capsys, *words) -> tuple[int, dict | None, str]:
    """Exit status, document (None: nothing was printed), and standard error."""
    with pytest.raises(SystemExit) as ended:
        cli.main([str(w) for w in words])
    said = capsys.readouterr()
    return ended.value.code, json.loads(said.out) if said.out else None, said.err


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("json") / "run"
    write_episode(run / "bag", seconds=0.5)
    return run


def test_bag_info_and_repair(run, capsys):
    status, document, _ = vipa(capsys, "bag", "info", run, "--json")
    counts = {topic["name"]: topic["count"] for topic in document["topics"]}
    assert status == 0 and counts["/joint_states"] > 10 and document["duration_s"] == pytest.approx(0.5, abs=0.1)
    status, document, _ = vipa(capsys, "bag", "repair", run, "--json")
    assert status == 0 and document["repaired"] is False and document["kept"] == sum(counts.values())


def test_dataset_check_and_show(run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["dataset", "build", str(run), "--out", str(tmp_path / "set")])
    capsys.readouterr()
    status, document, _ = vipa(capsys, "dataset", "show", tmp_path / "set", "--json")
    assert status == 0 and document["robot"] == "fr3_single" and document["episodes"][0]["key"] == EPISODE_ID
    status, document, _ = vipa(capsys, "dataset", "check", tmp_path / "set", "--json")
    assert status == 0 and document["errors"] == 0
    (tmp_path / "set/depth/scene/chunk-000/episode-000000.mkv").unlink()
    status, document, _ = vipa(capsys, "dataset", "check", tmp_path / "set", "--json")
    assert status == 1 and document["errors"] == 1 and document["findings"][0]["where"] == "episode 0"


def test_lists_and_checks(capsys):
    _, document, _ = vipa(capsys, "task", "list", "--json")
    assert {"put_three_obj", "water_plant"} <= {task["task"] for task in document["tasks"]}
    status, document, _ = vipa(capsys, "task", "check", "water_plant", "--json")
    assert status == 0 and document["subtasks"][0]["name"] == "pick up watering can"
    _, document, _ = vipa(capsys, "policy", "list", "--json")
    commanders = {policy["policy"]: policy["commander"] for policy in document["policies"]}
    assert commanders["expert"] == "expert" and commanders["water_plant"] == commanders["vipa@HOST[:PORT]"] == "policy"
    _, document, _ = vipa(capsys, "robot", "list", "--json")
    assert "ur5e_single" in {robot["robot"] for robot in document["robots"]}
    status, document, _ = vipa(capsys, "robot", "check", "fr3_single", "--json")
    assert status == 0 and len(document["tool_at_home_m"]["arm"]) == 3 and document["collision_pairs"] > 10


def test_an_episode_and_an_evaluation(tmp_path, capsys):
    line = ["--task", "water_plant", "--json", "--out"]
    status, document, told = vipa(
        capsys, "episode", *line, tmp_path / "runs", "--in-process", "--no-video", "--time-limit", "0.5"
    )
    assert status == 0 and document["scorecard"]["outcome"] == "timeout" and "pick up watering can" in told
    assert document["video"] is None and document["bag"].startswith(str(tmp_path / "runs"))
    status, document, _ = vipa(capsys, "evaluate", *line, tmp_path / "set", "--seeds", "1", "--no-pictures")
    assert status == 0 and document["commanders"]["expert"]["n"] == 1 and document["trials"][0]["seed"] == 1


def test_a_comparison(capsys):
    status, document, told = vipa(capsys, "compare", "--counts", "12/20", "3/20", "--json")
    assert status == 0 and document["a"]["successes"] == 12 and "12" in told


def test_a_comparison_into_a_file_says_its_words_as_well(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        cli.main(["compare", "--counts", "12/20", "3/20", "--json", str(tmp_path / "out.json")])
    assert ended.value.code == 0 and "12 / 20" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["verdict"] == "a better"


def test_a_refused_request_prints_no_document(capsys, tmp_path):
    status, document, told = vipa(capsys, "bag", "info", tmp_path / "none", "--json")
    assert status == 2 and document is None and told.startswith("vipa bag: ")


CHILDREN = """
import argparse, os, subprocess, sys
from vipa_cli import json_document
args = argparse.Namespace(json=True, document=None)
with json_document.standard_output(args):
    print("ours")
    subprocess.run([sys.executable, "-c", "print('a child')"], check=True)
    os.write(1, b"a library\\n")
    args.document = {"nan": float("nan"), "answer": 42}
print("after")
"""


def test_child_processes_and_libraries_print_elsewhere():
    done = subprocess.run(
        [sys.executable, "-c", CHILDREN], capture_output=True, text=True, encoding="utf-8", check=True
    )
    document, _, rest = done.stdout.rpartition("}\n")
    assert json.loads(document + "}") == {"nan": None, "answer": 42} and rest == "after\n"
    assert sorted(done.stderr.splitlines()) == ["a child", "a library", "ours"]


def test_values_become_plain():
    assert json_document.plain({1: (float("inf"), None, True)}) == {"1": [None, None, True]}
