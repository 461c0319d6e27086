"""A request with a slip in it: one line that says what was meant, and nothing else."""

import subprocess
import sys

import pytest

from vipa_cli import cli, exit_status

CASES = {
    "an option": (["episode", "--tsk", "x"], "vipa episode: unknown option --tsk (did you mean '--task'?)."),
    "an option of a verb that wants nothing": (["replay", "--spead", "2"], "vipa replay: unknown option --spead"),
    "an option of an action": (["bag", "info", "x", "--jsn"], "vipa bag info: unknown option --jsn (did you mean '--json'?)"),
    "a word too many": (["bag", "info", "x", "y"], "vipa bag info: unknown argument y"),
    "a verb": (["episod"], "unknown 'episod' (did you mean 'episode'?); allowed: episode, cell"),
    "an action": (["bag", "inf", "x"], "unknown 'inf' (did you mean 'info'?); allowed: info, repair"),
    "a task": (["episode", "--task", "water_plnt"], "unknown task 'water_plnt' (did you mean 'water_plant'?)"),
    "a policy": (["episode", "--task", "water_plant", "--policy", "exprt"], "unknown policy 'exprt' (did you mean 'expert'?)"),
    "a seed": (["episode", "--task", "water_plant", "--seed", "99999999999"], "allowed: 0 to 2147483647"),
    "no bag": (["bag", "info", "nowhere"], "vipa bag: bag nowhere: no such folder"),
    "a file for a bag": (["bag", "info", __file__], "is a file; allowed: the folder of a bag"),
    "no dataset": (["dataset", "check", "nowhere"], "nowhere/meta/info.json: No such file or directory; allowed: the folder of a"),
    "pictures that the loop does not compress": (["episode", "--task", "water_plant", "--in-process", "--pictures", "compressed"], "pictures 'compressed' with --in-process; allowed: raw"),
    "a file for a folder": (["episode", "--task", "water_plant", "--in-process", "--out", __file__], "is a file; allowed: a folder"),
    "no folder for a page": (["dataset", "check", "nowhere", "--out", f"{__file__}/page.html"], "page.html: "),
    "a folder for a page": (["dataset", "show", "nowhere", "--out", "."], "is a folder; allowed: the name of a file"),
    "no terminal": (["teleop", "--task", "water_plant", "--attach"], "device terminal: no terminal to type at; allowed: a terminal"),
    "no such frame, beside a graph": (["teleop", "--task", "water_plant", "--attach", "--frame", "moon"], "unknown frame of robot"),
    "no plan": (["evaluate", "nowhere.yaml"], "vipa evaluate: nowhere.yaml: No such file or directory"),
}  # fmt: skip


@pytest.mark.parametrize("words, line", CASES.values(), ids=CASES)
def test_one_line_says_what_was_meant(words, line, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    said = capsys.readouterr().err
    assert ended.value.code == exit_status.REFUSED and line in said and said.count("\n") == 1


def test_ctrl_c_before_a_verb_has_begun_leaves_no_traceback():
    code = (
        "import os, signal\n"
        "from vipa_cli import cli\n"
        "cli.parser = lambda: os.kill(os.getpid(), signal.SIGINT)\n"
        "cli.main(['episode'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False, encoding="utf-8"
    )
    assert done.returncode == exit_status.INTERRUPTED and "Traceback" not in done.stderr, done
