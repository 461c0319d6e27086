"""Bags into a dataset."""

import dataclasses
import json

import numpy as np
import pytest

from helpers.synthetic_bag import EPISODE_ID, START_NS, SUBTASKS, Messages, tool_position, write_episode
from vipa.dataset.build import build_from_bags
from vipa.dataset.check import check
from vipa.dataset.commanded import CommandedActions
from vipa.dataset.reader import Dataset
from vipa.dataset.resample import Resampler
from vipa.errors import VipaError
from vipa.recording.bag import BagWriter
from vipa.recording.reader import BagReader
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics
from vipa.robot.state import GroupState
from vipa.tasks.task import load_task

SECONDS = 2.0


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    base = tmp_path_factory.mktemp("build")
    runs = []
    for name, seconds in (("one", SECONDS), ("two", 1.0)):
        run = base / name
        write_episode(run / "bag", seconds=seconds)
        card = {"episode_id": f"{EPISODE_ID}-{name}", "outcome": "success", "seed": 7}
        (run / "scorecard.json").write_text(json.dumps(card), encoding="utf-8")
        runs.append(run)
    (base / "empty").mkdir()
    report = build_from_bags([*runs, base / "empty"], base / "set")
    assert len(report.added) == 2 and "metadata.yaml" in report.failed[str(base / "empty")]
    return base / "set", runs


def test_the_dataset_is_whole(built):
    root, runs = built
    assert check(root) == []
    again = build_from_bags(runs, root)
    assert not again.added and set(again.skipped.values()) == {"is in the dataset"}
    assert len(Dataset(root)) == 2


def test_frames_are_the_newest_messages_not_after_the_tick(built):
    episode = Dataset(built[0]).episode(0)
    assert episode.meta["success"] and episode.meta["subtasks"] == SUBTASKS and episode.length == 10 * SECONDS + 1
    ticks = episode.meta["start_ns"] + np.arange(len(episode)) * 10**8
    assert episode.meta["start_ns"] == START_NS
    stamps = episode["observation.stamp_ns"]
    assert (stamps[:, 0] == ticks).all()  # joints at 50 Hz hit every tick
    ages = ticks[:, None] - stamps[:, 1:]
    assert ages.min() >= 0 and ages.max() < 80_000_000
    t = (ticks - START_NS) / 1e9
    state = episode["observation.state"]
    np.testing.assert_allclose(state[:, 0], 0.2 * np.sin(t), atol=1e-6)
    np.testing.assert_allclose(state[:, 7], np.sin(t) > 0, atol=1e-6)
    expected = [Kinematics(load_robot("fr3_single")).group("arm").forward(q)[:3] for q in state[:, :7].astype(float)]
    np.testing.assert_allclose(episode["observation.tool_pose"][:, :3], expected, atol=1e-6)
    np.testing.assert_allclose(episode["observation.wrench"][:, 2], -3 + 2 * np.sin(3 * t), atol=1e-5)
    assert episode.images("scene").shape == (21, 24, 32, 3) and episode.depth("wrist").shape == (21, 24, 32)
    assert episode["observation.intrinsics.scene"][0].reshape(3, 3)[0, 2] == 16
    extrinsics = episode["observation.extrinsics.scene"][0].reshape(4, 4)
    np.testing.assert_allclose(
        extrinsics[:3, 3], [1.25, 0, 0.75], atol=1e-6
    )  # as the bag's TF says, not the robot file
    assert np.isnan(episode["target"]).all()  # the synthetic bag has no ground truth


def test_actions_are_the_commands_of_the_next_tick(built):
    episode = Dataset(built[0]).episode(0)
    action, commanded = episode["action"], episode["observation.commanded_tool_pose"]
    np.testing.assert_array_equal(action[:-1, :7], commanded[1:])
    t = np.arange(len(episode)) / 10
    np.testing.assert_allclose(commanded[:, :3], [tool_position(x) for x in t], atol=2e-3)
    np.testing.assert_allclose(action[:, :3], [tool_position(x + 0.1) for x in t], atol=2e-3)
    for poses in (commanded, episode["observation.tool_pose"]):
        dots = (poses[1:, 3:] * poses[:-1, 3:]).sum(axis=1)
        assert (dots > 0).all()  # no quaternion jumps to its negative


def test_subtasks_are_those_under_way(built):
    dataset = Dataset(built[0])
    episode = dataset.episode(0)
    assert dataset.subtasks == SUBTASKS
    numbers = episode["subtask_index"]
    assert numbers[0] == 0 and numbers[-1] == 4 and (np.diff(numbers) >= 0).all()
    assert numbers[round(10 * SECONDS * 2.5 / 6)] == 2


def test_only_successes(tmp_path):
    run = tmp_path / "run"
    write_episode(run / "bag", seconds=0.5, outcome="timeout")
    with pytest.raises(VipaError, match="not a success"):
        build_from_bags([run], tmp_path / "set")
    assert not (tmp_path / "set").exists()
    assert build_from_bags([run], tmp_path / "set", everything=True).added == [EPISODE_ID]
    assert Dataset(tmp_path / "set").episode(0).meta["outcome"] == "timeout"


def test_targets_and_tips_come_from_the_ground_truth(tmp_path, monkeypatch):
    """A run whose bag has ground truth, put together from messages."""
    task = dataclasses.replace(load_task("put_three_obj"), tip="apple")
    monkeypatch.setattr("vipa.dataset.run.load_task", lambda name: task)
    run = tmp_path / "run"
    write_episode(tmp_path / "plain", seconds=1.0)
    m = Messages()
    with BagReader(tmp_path / "plain") as source, BagWriter(run / "bag", source.custom_data) as out:
        ids = {t.name: out.add_topic(t.name, t.type) for t in source.topics.values()}
        truth = out.add_topic("/vipa/ground_truth", "vipa_msgs/msg/GroundTruth")
        for k in range(21):
            ns = START_NS + k * 50_000_000
            poses = [m.pose((0.1, 0.2, 0.3)), m.pose((0.4 + 0.01 * k, -0.2, 0.05))]
            data = m(
                "vipa_msgs/msg/GroundTruth", header=m.header(ns, "world"), names=["drawer_handle", "apple"], poses=poses
            )
            out.write(truth, ns, ns, m.serialize(data))
        for name, ns, raw in source.raw():
            out.write(ids[name], ns, ns, raw)
    build_from_bags([run], tmp_path / "set")
    episode = Dataset(tmp_path / "set").episode(0)
    np.testing.assert_allclose(episode["target"][0], (0.1, 0.2, 0.3), atol=1e-6)  # open drawer: what may be touched
    apple = np.flatnonzero(episode["subtask_index"] == 1)
    np.testing.assert_allclose(episode["target"][apple, 0], 0.4 + 0.02 * apple, atol=1e-6)
    np.testing.assert_allclose(episode["tip"][apple], episode["target"][apple])


def _chunk(m, seq, start, values, epoch=1, who="expert", made=None):
    return m(
        "vipa_msgs/msg/ActionChunk",
        header=m.header(start if made is None else made),
        commander_id=who,
        epoch=epoch,
        seq=seq,
        start_time=m.stamp(start),
        dt=0.1,
        groups=[
            m("vipa_msgs/msg/ActionGroup", name="arm", poses=[m.pose((v, 0, 0)) for v in values]),
            m("vipa_msgs/msg/ActionGroup", name="nobody", poses=[m.pose((9, 9, 9))]),
        ],
    )


def test_commands_follow_authority_and_epoch():
    m = Messages()
    commands = CommandedActions(load_robot("fr3_single"))
    measured = GroupState(np.zeros(7), np.zeros(7), np.array([7.0, 0, 0, 0, 0, 0, 1]), np.zeros(3), np.array([0.5]))
    second = 10**9

    def x(at):
        return commands.at("arm", round(at * second), measured)[0][0]

    commands.status(0, 1, "expert")
    commands.status(3 * second, 2, "expert")
    commands.chunk(_chunk(m, 1, second, [0.0, 1.0, 2.0]))
    commands.chunk(_chunk(m, 2, second + 50_000_000, [5.0, 6.0], who="somebody"))
    commands.chunk(_chunk(m, 3, 2 * second, [3.0, 4.0], made=second + 100_000_000))
    commands.chunk(_chunk(m, 4, 4 * second, [8.0], epoch=2))
    assert x(0.5) == 7.0  # nothing yet: holds where it is measured
    assert x(1.05) == pytest.approx(0.5) and x(1.9) == pytest.approx(2.0)
    assert x(2.05) == pytest.approx(3.5) and x(2.9) == pytest.approx(4.0)
    assert x(3.5) == 7.0  # a new epoch: what was planned is void
    assert x(4.2) == pytest.approx(8.0)
    assert commands.at("arm", second, measured)[1] == 0.5  # the hand was never commanded


def test_ticks_wait_for_all_and_forgive_late_recording(tmp_path):
    """Messages recorded in another order than stamped, one topic starting late."""
    m = Messages()
    with BagWriter(tmp_path / "bag") as bag:
        a = bag.add_topic("/a", "geometry_msgs/msg/PointStamped")
        b = bag.add_topic("/b", "geometry_msgs/msg/PointStamped")

        def put(topic, stamp, logged):
            point = m("geometry_msgs/msg/Point", x=float(stamp))
            data = m("geometry_msgs/msg/PointStamped", header=m.header(stamp), point=point)
            bag.write(topic, logged, logged, m.serialize(data))

        for k in range(100):
            put(a, k * 50_000_000, k * 50_000_000 + (400_000_000 if k % 3 else 0))
        for k in range(10, 40):
            put(b, k * 100_000_000, k * 100_000_000)
    read = {"/a": lambda message: message, "/b": lambda message: message}
    with BagReader(tmp_path / "bag") as bag:
        seen = [
            (t.at_ns, t.newest("/a").stamp_ns, t.newest("/b").stamp_ns, t.newest("/none"))
            for t in Resampler(bag, read, ["/a", "/b"], [], 500_000_000, 3_000_000_000, 100_000_000)
        ]
    assert [s[0] for s in seen] == list(range(1_000_000_000, 3_000_000_001, 100_000_000))
    assert all(at == a == b and none is None for at, a, b, none in seen)
