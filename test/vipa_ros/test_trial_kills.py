"""A set that is killed at random times goes on without losing or doubling a trial, and leaves no worker behind."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers import fake_trials
from vipa.errors import VipaError
from vipa.evaluation import trial_file
from vipa.evaluation.plan import expand
from vipa.evaluation.trial_set import TrialSet, begun
from vipa_ros.evaluation import session

TEST = Path(__file__).resolve().parents[1]
KILLS = int(os.environ.get("VIPA_KILLS", "3"))


def start(folder):
    line = [sys.executable, "-m", "helpers.fake_trials", str(folder)]
    return subprocess.Popen(
        line, env={**os.environ, "PYTHONPATH": str(TEST), "VIPA_SET": str(folder)}, start_new_session=True
    )


def alive(folder) -> list[int]:
    """Processes of the set in `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"VIPA_SET={folder}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def lines(folder) -> int:
    path = folder / "trials.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def settle(check, seconds=30.0):
    """Waits until `check` holds."""
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_kills_at_random_times_lose_and_double_nothing(tmp_path):
    rng, seen = random.Random(5), 0
    for _ in range(KILLS):
        process, wanted = start(tmp_path), min(seen + rng.randint(1, 60 // KILLS), 59)
        settle(lambda wanted=wanted, process=process: lines(tmp_path) >= wanted or process.poll() is not None, 60)
        time.sleep(rng.random() * 0.05)
        assert process.poll() is None or lines(tmp_path) == 60
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        settle(lambda: not alive(tmp_path))  # the workers, too
        seen = lines(tmp_path)
    assert start(tmp_path).wait(120) == 0
    rows = trial_file.read(tmp_path / "trials.jsonl")
    planned = {t.trial_id: t for t in expand(fake_trials.PLAN)}
    assert Counter(row.trial_id for row in rows) == dict.fromkeys(planned, 1)
    for row in rows:
        assert (row.pair_id, row.commander) == (planned[row.trial_id].card.pair_id, planned[row.trial_id].commander)
        assert (tmp_path / row.run_folder / "scorecard.json").is_file()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_set_that_is_not_killed_says_the_same(tmp_path, jobs, monkeypatch):
    monkeypatch.syspath_prepend(str(TEST))
    monkeypatch.setattr(fake_trials.in_process, "run_trial", fake_trials.run_trial)
    fake_trials.main(tmp_path, jobs)
    rows = {row.trial_id: row for row in trial_file.read(tmp_path / "trials.jsonl")}
    assert sorted(rows) == [t.trial_id for t in expand(fake_trials.PLAN)]
    assert {row.verdict for row in rows.values()} == {"failure", "out_of_time"}


def test_a_worker_of_a_cluster_that_dies_is_said_and_no_trial_is_lost(tmp_path, monkeypatch):
    """Ray itself is not installed here: what of it is used, with a task whose worker was killed."""

    class Error(Exception):
        pass

    def get(number):
        if number == 3:
            raise Error("The worker died\nunexpectedly")
        return fake_trials.Outcome(fake_trials.card_of(1, "timeout"))

    numbers = itertools.count()
    cluster = SimpleNamespace(
        is_initialized=lambda: True, remote=lambda function: SimpleNamespace(remote=lambda trial: next(numbers)),
        wait=lambda numbers, num_returns: (numbers[:1], numbers[1:]), get=get, cancel=lambda number, force: None, exceptions=SimpleNamespace(RayError=Error),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "ray", cluster)
    with TrialSet(tmp_path, fake_trials.PLAN, begun(fake_trials.PLAN, {})) as trials:
        with pytest.raises(
            VipaError, match="a worker process died: Error: The worker died unexpectedly; the same call goes on"
        ):
            session.run_in_process(trials, session.Options(2, ray=True), lambda *_: None)
        assert [row.order for row in trials.rows] == [0, 1, 2] and len(trials.todo()) == 57
