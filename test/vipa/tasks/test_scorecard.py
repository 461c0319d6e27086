"""scorecard.json: the frozen schema, the round trip, what is refused, what a person reads."""

import dataclasses
import json

import pytest

from vipa.errors import VipaError
from vipa.robot.state import GroundTruth
from vipa.tasks import scorecard
from vipa.tasks.checks import CheckState
from vipa.tasks.scorecard import PolicyId, Timing
from vipa.tasks.scorer import EpisodeScorer
from vipa.tasks.task import SubTask, Task

TOP = [
    "schema",
    "episode_id",
    "task",
    "instruction",
    "robot",
    "cell",
    "commander",
    "policy",
    "seed",
    "variant",
    "subtasks",
    "subtask_score",
    "success",
    "outcome",
    "failure",
    "duration_s",
    "wall_s",
    "timing",
    "provenance",
]
TIMING = [
    "policy_ms_p50",
    "policy_ms_p99",
    "observation_age_ms_p50",
    "observation_age_ms_p99",
    "chunk_delay_steps_p50",
    "chunk_delay_steps_p99",
    "dropped_frames",
    "control_jitter_ms_p99",
]


def make(met=("a",), ticks=30, **more):
    parts = [SubTask(n, "joint_beyond", {"joint": n, "above": 0.5}) for n in "ab"]
    scorer = EpisodeScorer(Task("t", "do it", "robot", "scene", [], 1.0, parts, {"plain": {}}, ["plain"]))
    for tick in range(ticks):
        stamp = tick * 50_000_000
        seen = CheckState(stamp, GroundTruth(stamp, {}, {n: float(n in met) for n in "ab"}))
        scorer.update(seen) if tick else scorer.setup(seen)
    return scorecard.score(
        scorer, episode_id="id", robot="fr3_single", cell="sim", commander="expert", seed=3, variant="plain",
        wall_s=0.5, **more,
    )  # fmt: skip


def test_keys_are_those_of_the_contract():
    data = scorecard.to_dict(make())
    assert list(data) == TOP and data["schema"] == "vipa/scorecard/1"
    assert list(data["timing"]) == TIMING
    assert list(data["subtasks"][0]) == ["name", "status", "t_done_s", "evidence", "failure_class"]
    assert list(data["failure"]) == ["type", "subtask", "detail"]
    assert list(data["provenance"]) == ["git", "versions"] and "numpy" in data["provenance"]["versions"]
    assert data["policy"] is None
    assert [s["status"] for s in data["subtasks"]] == ["done", "failed"]
    assert data["outcome"] == "timeout" and data["subtask_score"] == 0.5 and data["success"] is False


@pytest.mark.parametrize("met", [(), ("a",), ("a", "b")])
def test_round_trip(tmp_path, met):
    timing = Timing.of(policy_ms=[1, 2, float("nan")], chunk_delay_steps=[], dropped_frames=0)
    card = make(met, policy=PolicyId("small", "ab" * 32), timing=timing)
    path = tmp_path / "scorecard.json"
    scorecard.write(card, path)
    assert scorecard.read(path) == card
    assert [p.name for p in tmp_path.iterdir()] == ["scorecard.json"]
    json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_numbers_that_are_not_become_null():
    timing = Timing.of(policy_ms=[float("nan")], observation_age_ms=[10.0, 20.0])
    assert timing.policy_ms_p50 is None and timing.observation_age_ms_p50 == 15.0
    card = dataclasses.replace(make(), timing=Timing(control_jitter_ms_p99=float("nan")))
    assert scorecard.to_dict(card)["timing"]["control_jitter_ms_p99"] is None


@pytest.mark.parametrize(
    "change, word",
    [
        ({"schema": "vipa/scorecard/2"}, "vipa/scorecard/1"),
        ({"outcome": "won"}, "timeout"),
        ({"extra": 1}, "extra"),
        ({"seed": "three"}, "seed"),
        ({"subtask_score": 0.9}, "subtask_score"),
        ({"success": True}, "success"),
        ({"cell": "moon"}, "real"),
    ],
)
def test_what_is_refused(tmp_path, change, word):
    path = tmp_path / "scorecard.json"
    path.write_text(json.dumps({**scorecard.to_dict(make()), **change}), encoding="utf-8")
    with pytest.raises(VipaError, match=word) as caught:
        scorecard.read(path)
    assert "scorecard.json" in str(caught.value)


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(VipaError, match="nothing.json"):
        scorecard.read(tmp_path / "nothing.json")
    (tmp_path / "half.json").write_text('{"schema": ', encoding="utf-8")
    with pytest.raises(VipaError, match="half.json: not JSON"):
        scorecard.read(tmp_path / "half.json")


def test_an_episode_that_runs_has_no_score():
    with pytest.raises(ValueError, match="not ended"):
        make(ticks=3)


def test_what_a_person_reads():
    text = scorecard.render(make())
    assert "✓ a" in text and "✗ b" in text and "1/2 sub-tasks" in text and "timeout in 'b'" in text


def test_policy_id_follows_the_weights(tmp_path):
    assert scorecard.policy_id("expert") is None and scorecard.policy_id(str(tmp_path)) is None
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"one")
    first = scorecard.policy_id(str(folder))
    (folder / "notes.txt").write_text("not a weight", encoding="utf-8")
    assert scorecard.policy_id(str(folder)) == first and first.name == "small"
    (folder / "model.onnx").write_bytes(b"two")
    assert scorecard.policy_id(str(folder)) != first
