"""The graph in lock-step and the in-process loop give the same sub-tasks. Times may differ: motion is waited for, a commander
on a busy machine is not."""

import json
import os
import subprocess
import sys

import pytest

from vipa_sim.trials import Trial, parse_seeds, run_trial

pytestmark = pytest.mark.graph

SEEDS = os.environ.get("VIPA_PARITY_SEEDS", "30")  # of the slow test: how many, or which ("3,8", "10:20")
PAIRS = [
    ("water_plant", "expert"),
    ("water_plant", "water_plant"),
    ("put_three_obj", "expert"),
    ("wipe_board", "expert"),
    ("insert_flower", "expert"),
]


def graph(tmp_path, task, policy, seed, following=""):
    """Scorecard (JSON values) of an episode over the graph, one that a safety stop has ended, too."""
    line = [
        sys.executable,
        "-m",
        "vipa_cli.cli",
        "episode",
        "--task",
        task,
        "--policy",
        policy,
        "--seed",
        str(seed),
        "--no-video",
    ]
    line += ["--following", following] if following else []
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    done = subprocess.run(
        [*line, "--out", str(tmp_path)], env=env, capture_output=True, text=True, timeout=400, encoding="utf-8"
    )
    assert done.returncode in (0, 1) and "scorecard " in done.stdout, done.stdout + done.stderr
    return json.loads((tmp_path / "latest/scorecard.json").read_text(encoding="utf-8"))


def row(card: dict) -> str:
    """Sub-tasks, seconds and age of the observations of a scorecard, for people."""
    done = "".join({"done": "✓", "failed": "✗", "pending": "·"}[s["status"]] for s in card["subtasks"])
    return f"{done:<6} {card['duration_s']:5.1f} s, age {card['timing']['observation_age_ms_p50']:.0f} ms"


@pytest.mark.parametrize("seed, following", [(8, "lag=0.04,dead_time=0.02,velocity_noise=0.002")])
def test_the_same_seed_gives_the_same_sub_tasks(tmp_path, seed, following):
    there = graph(tmp_path, "water_plant", "expert", seed, following)
    here = run_trial(Trial("water_plant", seed, following=following)).scorecard
    assert [s["status"] for s in there["subtasks"]] == [s.status for s in here.subtasks]
    assert there["variant"] == here.variant


def test_two_arms_and_a_head_over_the_graph(tmp_path):
    there = graph(tmp_path, "insert_flower", "expert", 1)
    here = run_trial(Trial("insert_flower", 1)).scorecard
    assert [s["status"] for s in there["subtasks"]] == [s.status for s in here.subtasks] == ["done"] * 4


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("task, policy", PAIRS)
def test_parity_over_many_seeds(tmp_path, capsys, task, policy):
    """Every seed gives the same sub-tasks; prints a table."""
    from vipa.tasks import scorecard

    seeds = list(range(int(SEEDS))) if SEEDS.isdigit() else parse_seeds(SEEDS)
    other = []
    for seed in seeds:
        there = graph(tmp_path, task, policy, seed)
        here = scorecard.to_dict(run_trial(Trial(task, seed, policy=policy)).scorecard)
        same = [s["status"] for s in there["subtasks"]] == [s["status"] for s in here["subtasks"]]
        if not same:
            other.append(seed)
        with capsys.disabled():
            print(
                f"\n{task} {policy} {seed:>3}  graph {row(there)} | loop {row(here)}{'' if same else '  DIFFERS'}",
                end="",
                flush=True,
            )
            if not same:
                print(f"\n  graph: {there['failure']}\n  loop: {here['failure']}", end="", flush=True)
    with capsys.disabled():
        print(f"\n{task} {policy}: {len(seeds) - len(other)} of {len(seeds)} seeds alike", flush=True)
    assert not other
