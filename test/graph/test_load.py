"""Whole episodes with busy loops beside the graph: the same sub-tasks as without them, no frame lost.

VIPA_LOAD: how many loops (default 2); VIPA_LOAD_SEEDS: how many scenes (default 10).
"""

import os

import pytest

pytest.importorskip("rclpy")

from vipa_cli.bench.graph import EPISODES, Case, measure

pytestmark = [pytest.mark.graph, pytest.mark.slow, pytest.mark.timeout(900)]
LOAD, SEEDS = int(os.environ.get("VIPA_LOAD", "2")), int(os.environ.get("VIPA_LOAD_SEEDS", "10"))
# ms of wall time, 99th percentile of the control step's, with and without load; a machine that nothing but this test loads
JITTER, JITTER_IDLE = 60.0, 15.0


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("task", EPISODES)
def test_load_changes_nothing(tmp_path, task, seed):
    idle = measure(Case(task, EPISODES[task], seed), tmp_path / "idle")
    loaded = measure(Case(task, EPISODES[task], seed, LOAD), tmp_path / "loaded")
    assert (loaded.outcome, loaded.subtasks) == (idle.outcome, idle.subtasks)
    assert idle.dropped == loaded.dropped == 0
    assert loaded.jitter_ms <= JITTER and idle.jitter_ms <= JITTER_IDLE


def test_cameras_of_a_process_of_their_own_are_recorded_whole(tmp_path):
    row = measure(Case("put_three_obj", "expert", 0, LOAD, cameras=True), tmp_path)
    assert row.subtasks[0] == "done" and row.dropped == 0 and row.jitter_ms <= JITTER
