"""Bags into a dataset."""

import dataclasses
import json
import shutil

import av
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest

from helpers.synthetic_bag import EPISODE_ID, INSTRUCTION, START_NS, SUBTASKS, Messages, tool_position, write_episode
from vipa.dataset.build import build_from_bags
from vipa.dataset.check import check
from vipa.dataset.commanded import CommandedActions
from vipa.dataset.depth import quantized
from vipa.dataset.reader import Dataset
from vipa.dataset.resample import Resampler
from vipa.errors import VipaError
from vipa.recording.bag import BagWriter
from vipa.recording.reader import BagReader
from vipa.robot.cameras import CameraPoses
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
    assert len(report.added) == 2 and "no such folder" in report.failed[str(base / "empty")]
    return base / "set", runs


def test_the_dataset_is_whole(built):
    root, runs = built
    assert check(root) == []
    again = build_from_bags(runs, root)
    assert not again.added and set(again.skipped.values()) == {"is in the dataset"}
    assert len(Dataset(root)) == 2


def test_frames_are_the_newest_captures_not_after_the_tick(built):
    episode = Dataset(built[0]).episode(0)
    assert episode.meta["success"] and episode.meta["subtasks"] == SUBTASKS and episode.length == 10 * SECONDS + 1
    ticks = episode.meta["start_ns"] + np.arange(len(episode)) * 10**8
    assert episode.meta["start_ns"] == START_NS
    stamps = episode.stamps
    ages = ticks[:, None] - stamps[:, 1:]
    assert ages.min() >= 0 and ages.max() < 80_000_000
    # the joints are those of the oldest picture, as a policy sees them: 50 Hz, so at most 10 ms from it
    assert np.abs(stamps[:, 0] - stamps[:, 1:].min(axis=1)).max() <= 10_000_000
    t = (stamps[:, 0] - START_NS) / 1e9
    state = episode["observation.state"]
    np.testing.assert_allclose(state[:, 0], 0.2 * np.sin(t), atol=1e-6)
    np.testing.assert_allclose(state[:, 7], np.sin(t) > 0, atol=1e-6)
    expected = [Kinematics(load_robot("fr3_single")).group("arm").forward(q)[:3] for q in state[:, :7].astype(float)]
    np.testing.assert_allclose(episode["observation.tool_pose"][:, :3], expected, atol=1e-6)
    felt = (ticks - START_NS) / 1e9  # a wrench is the newest at the tick
    np.testing.assert_allclose(episode["observation.wrench"][:, 2], -3 + 2 * np.sin(3 * felt), atol=1e-5)
    assert episode.images("scene").shape == (21, 24, 32, 3) and episode.depth("wrist").shape == (21, 24, 32)
    assert episode.intrinsics("scene")[0, 0, 2] == 16
    extrinsics = episode.extrinsics("scene")[0]
    np.testing.assert_allclose(
        extrinsics[:3, 3], [1.25, 0, 0.75], atol=1e-6
    )  # as the bag's TF says, not the robot file
    assert np.isnan(episode.point("target")).all()  # the synthetic bag has no ground truth
    assert not episode["target"].any()  # and no NaN that a training would take in
    robot, k = load_robot("fr3_single"), 7
    joints = np.concatenate([state[k, :7]]).astype(float)
    poses = CameraPoses(robot)
    poses.hear("wrist_color_optical_frame", "fr3_hand_tcp", np.array([0.05, 0, -0.1, 0, 0, 0, 1]))
    at_picture = 0.1 * np.arange(7) + 0.2 * np.sin((stamps[k, 2] - START_NS) / 1e9)
    np.testing.assert_allclose(episode.extrinsics("wrist")[k], poses.extrinsics("wrist", at_picture), atol=2e-3)
    assert np.abs(joints - at_picture).max() < 0.02


def test_actions_are_the_commands_of_the_next_tick(built):
    episode = Dataset(built[0]).episode(0)
    action, commanded = episode["action"], episode["observation.commanded_tool_pose"]
    executed = episode["executed"]
    np.testing.assert_array_equal(executed[:-1, :7], episode["observation.tool_pose"][1:])
    np.testing.assert_array_equal(executed[:-1, 7], episode["observation.state"][1:, 7])
    t = (episode.stamps[:, 1:].min(axis=1) - START_NS) / 1e9
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
    np.testing.assert_allclose(episode["target"][0], (0.1, 0.2, 0.3, 1), atol=1e-6)  # open drawer: what may be touched
    apple = np.flatnonzero(episode["subtask_index"] == 1)
    seen = (episode.stamps[apple, 1:].min(axis=1) - START_NS) // 50_000_000
    np.testing.assert_allclose(episode["target"][apple, 0], 0.4 + 0.01 * seen, atol=1e-6)
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


def test_lerobots_files_are_what_its_own_writer_makes(built):
    """One row group an episode, language columns, depth twice, no NaN; see test/interop for LeRobot itself."""
    root = built[0]
    info = json.loads((root / "meta/info.json").read_text(encoding="utf-8"))
    depth = info["features"]["observation.images.scene_depth"]
    assert depth["shape"] == [24, 32, 1] and depth["info"]["is_depth_map"] and depth["info"]["video.codec"] == "hevc"
    data = root / "data/chunk-000/file-000.parquet"
    assert pq.ParquetFile(data).num_row_groups == 2 == info["total_episodes"]
    table = pq.read_table(data, partitioning=None)
    for name, feature in info["features"].items():
        if feature["dtype"] == "float32":
            assert np.isfinite(np.array(table[name].to_pylist())).all(), name
    first = table["language_persistent"][0].as_py()
    assert [r["content"] for r in first] == [INSTRUCTION, *SUBTASKS]
    assert [r["style"] for r in first] == ["task_aug"] + ["subtask"] * 5
    whole = table.filter(pa.compute.equal(table["episode_index"], 0))
    numbers = whole["subtask_index"].to_numpy()
    for row, number in zip(first[1:], range(5), strict=True):
        assert row["timestamp"] == pytest.approx(np.flatnonzero(numbers == number)[0] / 10)
    video = root / "videos/observation.images.scene_depth/chunk-000/file-000.mp4"
    with av.open(str(video)) as file:
        found = [f.to_ndarray(format="gray12le") for f in file.decode(video=0)][:21]
    measured = Dataset(root).episode(0).depth("scene")
    np.testing.assert_array_equal(found, quantized(measured))
    # as LeRobot's dequantize_depth has it: 12 bits that lie 2.4 mm apart at 1 m
    back = np.exp(np.array(found) * np.log(13.5 / 3.51) / 4095 + np.log(3.51)) - 3.5
    known = measured > 0
    assert np.abs(back * 1000 - measured)[known].max() < 1.5


def test_action_may_be_what_was_executed(built, tmp_path):
    report = build_from_bags(built[1], tmp_path / "set", action="executed", lerobot="0.4")
    assert len(report.added) == 2 and check(tmp_path / "set") == []
    a, b = Dataset(built[0]).episode(1), Dataset(tmp_path / "set").episode(1)
    np.testing.assert_array_equal(a["executed"], b["action"])
    np.testing.assert_array_equal(a["action"], b["commanded"])
    info = json.loads((tmp_path / "set/meta/info.json").read_text(encoding="utf-8"))
    assert not [n for n in info["features"] if n.startswith("language") or n.endswith("_depth")]
    report = build_from_bags(built[1], tmp_path / "set", everything=True, action="commanded", lerobot="0.4")
    assert all("action there 'executed', here 'commanded'" in why for why in report.failed.values()) and report.failed


def test_workers_make_the_same_dataset(built, tmp_path):
    build_from_bags(built[1], tmp_path / "set", workers=2)
    assert check(tmp_path / "set") == []
    for one, other in zip(Dataset(built[0]), Dataset(tmp_path / "set"), strict=True):
        assert one.key == other.key and one.meta == other.meta
        assert one.table.equals(other.table)
        assert np.abs(one.images("wrist").astype(int) - other.images("wrist")).mean() < 1
        np.testing.assert_array_equal(one.depth("wrist"), other.depth("wrist"))


def test_an_older_dataset_is_read_and_not_added_to(built, tmp_path):
    root = shutil.copytree(built[0], tmp_path / "set")
    path = root / "meta/info.json"
    path.write_text(path.read_text(encoding="utf-8").replace("vipa/dataset/2", "vipa/dataset/1"), encoding="utf-8")
    assert len(Dataset(root)) == 2 and "earlier version" in Dataset(root).lost[0]
    with pytest.raises(VipaError, match="earlier version.*vipa dataset build RUNS --out NEW"):
        build_from_bags(built[1], root)
