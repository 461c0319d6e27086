"""Datasets written and read back; whole or absent; what check says."""

import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest

from helpers.small_dataset import FPS, SPEC, frame, write
from vipa.dataset import layout, tables, video
from vipa.dataset.check import check
from vipa.dataset.reader import Dataset
from vipa.dataset.spec import CameraSpec, DatasetSpec, Feature, robot_spec
from vipa.dataset.stats import FINITE, QUANTILES, aggregate, vector_stats
from vipa.dataset.video import count_frames, read_frames
from vipa.dataset.writer import DatasetWriter
from vipa.errors import VipaError
from vipa.robot.description import load_robot


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset of five episodes, finalized twice."""
    root = tmp_path_factory.mktemp("dataset") / "set"
    assert write(root, (1, 2, 3)).finalize() == 3
    assert write(root, (4, 5), frames=7).finalize() == 2
    return root


def test_what_was_written_is_read(made):
    dataset = Dataset(made)
    assert dataset.spec == SPEC and len(dataset) == 5
    assert dataset.tasks == ["reach", "grasp"] and dataset.subtasks == ["approach", "end 1", "end 0"]
    for episode in dataset:
        seed = episode.meta["seed"]
        assert episode.key == f"seed-{seed:04d}" and episode.instruction == ("reach" if seed % 2 else "grasp")
        count = len(episode)
        np.testing.assert_array_equal(episode["observation.state"], [[k, seed] for k in range(count)])
        names = [dataset.subtasks[i] for i in episode["subtask_index"]]
        assert names == ["approach"] * (count // 2) + [f"end {seed % 2}"] * (count - count // 2)
        depth = episode.depth("scene")
        assert depth.dtype == np.uint16
        np.testing.assert_array_equal(depth, [frame(k, seed)["observation.depth.scene"] for k in range(count)])
        images = episode.images("wrist")
        assert np.abs(images.astype(int) - [frame(k)["observation.images.wrist"] for k in range(count)]).max() < 6
        np.testing.assert_array_equal(episode.images("scene", 3, 2), episode.images("scene")[3:5])
        np.testing.assert_array_equal(episode.depth("scene", 5, 1)[0], depth[5])
    assert not (made / ".staging").exists()
    assert check(made) == []


def test_the_tables_are_those_of_lerobot_v3(made):
    info = json.loads((made / "meta/info.json").read_text(encoding="utf-8"))
    assert info["codebase_version"] == "v3.0" and info["total_frames"] == 50 and info["total_episodes"] == 5
    assert info["splits"] == {"train": "0:5"} and info["fps"] == FPS
    assert info["features"]["observation.images.scene"]["shape"] == [24, 32, 3]
    assert info["data_path"].format(chunk_index=0, file_index=1) == "data/chunk-000/file-001.parquet"
    data = pq.read_table(made / "data/chunk-000/file-001.parquet", partitioning=None)
    assert data["index"].to_pylist() == list(range(36, 50))
    assert data["timestamp"].to_numpy() == pytest.approx(np.tile(np.arange(7) / FPS, 2))
    assert str(data.schema.field("action").type) == "fixed_size_list<element: float>[2]"
    rows = layout.episode_rows(made)
    assert [r["dataset_from_index"] for r in rows] == [0, 12, 24, 36, 43]
    key = "videos/observation.images.scene"
    assert [(r[f"{key}/file_index"], r[f"{key}/from_timestamp"]) for r in rows] == [
        (0, 0.0),
        (0, 1.2),
        (0, 2.4),
        (1, 0.0),
        (1, 0.7),
    ]
    assert count_frames(made / "videos/observation.images.scene/chunk-000/file-000.mp4") == 36
    metadata = json.loads(pq.read_schema(made / "meta/tasks.parquet").metadata[b"pandas"])
    assert metadata["index_columns"] == ["__index_level_0__"]


def test_statistics(made):
    stats = Dataset(made).stats
    values = np.concatenate([e["observation.state"] for e in Dataset(made)])
    state = stats["observation.state"]
    np.testing.assert_allclose(state["mean"], values.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(state["std"], values.std(axis=0), rtol=1e-6)
    assert state["max"].tolist() == [11, 5] and state["count"].tolist() == [50]
    assert stats["observation.images.scene"]["mean"].shape == (3, 1, 1)
    assert 0 < stats["observation.images.scene"]["max"].max() <= 1
    assert stats["target"]["mean"][0] == pytest.approx(np.average([1, 2, 3, 4, 5, 0], weights=[6, 6, 6, 3, 3, 26]))
    assert set(QUANTILES) <= set(state) and FINITE not in state


def test_statistics_of_parts_are_those_of_the_whole():
    random = np.random.default_rng(3)
    parts = [random.normal(size=(n, 4)) * 3 + 1 for n in (5, 40, 1)]
    parts[1][:, 2] = np.nan
    for part in parts:
        part[:, 3] = np.nan
    whole, joined = np.concatenate(parts), aggregate([vector_stats(p) for p in parts])
    for kind, of in (("mean", np.nanmean), ("std", np.nanstd), ("min", np.nanmin), ("max", np.nanmax)):
        np.testing.assert_allclose(joined[kind][:3], of(whole[:, :3], axis=0), rtol=1e-9)
        assert joined[kind][3] == 0.0  # nothing is known of it
    np.testing.assert_allclose(aggregate([vector_stats(whole)])["q50"][:2], np.median(whole[:, :2], axis=0))


def test_a_killed_writer_leaves_nothing_half(tmp_path):
    root = tmp_path / "set"
    write(root, (1,))
    half = DatasetWriter(root, SPEC)
    half.add_frame(frame(0), "seed-0002")  # and is killed here
    writer = DatasetWriter(root, SPEC)
    assert writer.keys() == {"seed-0001"}
    assert any("not part of the dataset" in f.what for f in check(root) if f.level == "warning")
    assert writer.finalize() == 1 and [e.key for e in Dataset(root)] == ["seed-0001"]
    assert writer.finalize() == 0 and check(root) == []


@pytest.mark.parametrize("moment", ["_add_data", "_add_video", "_add_depth", "_add_stats", "derive"])
def test_a_kill_during_finalize_is_mended_by_the_next(tmp_path, moment, monkeypatch):
    root = tmp_path / "set"
    write(root, (1,)).finalize()
    writer = write(root, (2, 3))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if moment == "derive":
            patch.setattr("vipa.dataset.writer.derive", killed)
        else:
            patch.setattr(layout.Layout, moment, killed)
        with pytest.raises(KeyboardInterrupt):
            writer.finalize()
    again = DatasetWriter(root, SPEC)
    assert again.keys() == {"seed-0001", "seed-0002", "seed-0003"}
    assert again.finalize() == (0 if moment == "derive" else 2)
    assert check(root) == [] and [e.key for e in Dataset(root)] == ["seed-0001", "seed-0002", "seed-0003"]


def test_episodes_come_in_the_order_of_their_keys_from_any_process(tmp_path):
    root = tmp_path / "set"
    writer = DatasetWriter(root, SPEC)
    for seed in (3, 1, 2):
        episode = writer.episode_writer(f"seed-{seed:04d}")
        for k in range(3):
            episode.add(frame(k, seed))
        episode.save("reach", ["approach"])
    writer.finalize()
    assert [e.key for e in Dataset(root)] == ["seed-0001", "seed-0002", "seed-0003"]


def test_files_are_begun_anew_at_their_size(tmp_path, monkeypatch):
    root = tmp_path / "set"
    monkeypatch.setattr(layout, "VIDEO_FILE_MB", 0)
    monkeypatch.setattr(layout, "DATA_FILE_MB", 0)
    write(root, (1, 2, 3), frames=4).finalize()
    assert [r["data/file_index"] for r in layout.episode_rows(root)] == [0, 1, 2]
    assert check(root) == [] and Dataset(root).episode(2)["observation.state"][0].tolist() == [0, 3]


def test_refusals_name_what_is_wrong(tmp_path):
    root = tmp_path / "set"
    writer = DatasetWriter(root, SPEC)
    good = frame(0)
    with pytest.raises(VipaError, match="missing action"):
        writer.add_frame({k: v for k, v in good.items() if k != "action"})
    with pytest.raises(VipaError, match="unknown reward"):
        writer.add_frame(good | {"reward": np.zeros(1)})
    with pytest.raises(VipaError, match=r"observation.state is float64 \(3,\)"):
        writer.add_frame(good | {"observation.state": np.zeros(3)})
    with pytest.raises(VipaError, match="depth.scene is float32"):
        writer.add_frame(good | {"observation.depth.scene": good["observation.depth.scene"].astype(np.float32)})
    writer.discard_episode()
    with pytest.raises(VipaError, match="before add_frame"):
        writer.save_episode("reach")
    writer.add_frame(frame(0, subtask=2))
    with pytest.raises(VipaError, match="allowed: 0 to 1"):
        writer.save_episode("reach", ["a", "b"])
    with pytest.raises(VipaError, match="file name"):
        writer.episode_writer("../up")
    write(root, (1,), frames=2)
    with pytest.raises(VipaError, match="saved already"):
        write(root, (1,), frames=2)
    other = DatasetSpec("two_joints", 15, SPEC.cameras, SPEC.features)
    with pytest.raises(VipaError, match="fps there 10, here 15"):
        DatasetWriter(root, other)
    with pytest.raises(VipaError, match="even sides"):
        CameraSpec("odd", 15, 16)
    with pytest.raises(VipaError, match="no cameras|no '/'"):
        DatasetSpec("x", 10, (), {"a/b": Feature("float32", ("a",))})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("", encoding="utf-8")
    with pytest.raises(VipaError, match="no dataset"):
        DatasetWriter(tmp_path / "full", SPEC)
    with pytest.raises(VipaError, match="allowed: the folder of a dataset"):
        Dataset(tmp_path / "full")


def _cut_video(root):
    path = root / "videos/observation.images.scene/chunk-000/file-000.mp4"
    shutil.copyfile(root / "videos/observation.images.scene/chunk-000/file-001.mp4", path)


def _lose_depth(root):
    (root / layout.depth_path("scene", 2)).unlink()


def _change_column(root, name, change):
    path = root / "data/chunk-000/file-000.parquet"
    table = tables.read(path)
    values = tables.values(table[name]).copy()
    change(values)
    column = tables.column(values.reshape(len(values), -1), SPEC.features.get(name) or Feature("int64", (name,)))
    tables.write(table.set_column(table.column_names.index(name), name, column), path)


def _nan_state(root):
    _change_column(root, "observation.state", lambda v: v.__setitem__((3, 0), np.nan))


def _late_stamp(root):
    _change_column(root, "stamp_ns", lambda v: v.__setitem__((5, 1), 10**12))


def _wrong_index(root):
    _change_column(root, "index", lambda v: v.__setitem__(4, 99))


def _wrong_info(root):
    path = root / "meta/info.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"total_frames": 50', '"total_frames": 51'), encoding="utf-8"
    )


def _wrong_stats(root):
    path = root / "meta/stats.json"
    stats = json.loads(path.read_text(encoding="utf-8"))
    stats["action"]["mean"][0] += 0.5
    del stats["observation.images.wrist"]
    path.write_text(json.dumps(stats), encoding="utf-8")


def _broken_parquet(root):
    path = root / "data/chunk-000/file-000.parquet"
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    "damage, words",
    [
        (_cut_video, "14 frames, its episodes have 36"),
        (_lose_depth, "episode-000002.mkv has 0 frames"),
        (_nan_state, "observation.state is not finite in 1 frames"),
        (_late_stamp, "newer than its tick"),
        (_wrong_index, "column index"),
        (_wrong_info, "total_frames 51, the tables say 50"),
        (_wrong_stats, "action: mean is not that of the data"),
        (_broken_parquet, "file-000.parquet"),
    ],
)
def test_check_finds_what_is_wrong(made, tmp_path, damage, words):
    root = tmp_path / "set"
    shutil.copytree(made, root)
    damage(root)
    found = [str(f) for f in check(root) if f.level == "error"]
    assert any(words in text for text in found), found


def test_video_that_ends_early_is_an_error(made):
    with pytest.raises(VipaError, match="want 99"):
        read_frames(made / layout.depth_path("scene", 0), 0, 99, FPS, depth=True)


def test_the_robots_features_have_names():
    spec = robot_spec(load_robot("fr3_single"), [CameraSpec("scene", 240, 320)])
    assert spec.features["observation.state"].names[-1] == "arm.fr3_finger_joint1"
    assert spec.features["action"].size == 8 and spec.features["observation.tool_pose"].size == 7
    assert "camera_pose.scene" not in spec.features
    spec = robot_spec(load_robot("fr3_single"), [CameraSpec("wrist", 240, 320)], carried=["wrist"], wrenches=[])
    assert spec.features["camera_pose.wrist"].size == 7 and "observation.wrench" not in spec.features
    assert spec.groups[0]["base_in_world"] == pytest.approx([0, 0, 0, 0, 0, 0, 1])


def test_an_episode_that_is_being_written_survives_the_finalize_of_another(tmp_path):
    root = tmp_path / "set"
    slow = DatasetWriter(root, SPEC)
    for k in range(3):
        slow.add_frame(frame(k, 2), "seed-0002")
    assert write(root, (1,)).finalize() == 1
    for k in range(3, 6):
        slow.add_frame(frame(k, 2))
    slow.save_episode("grasp", ["approach"])
    assert slow.finalize() == 1
    assert check(root) == [] and [e.key for e in Dataset(root)] == ["seed-0001", "seed-0002"]
    assert not (root / ".staging").exists()


def test_an_episode_that_is_saved_during_the_finalize_of_another_is_kept(tmp_path, monkeypatch):
    root = tmp_path / "set"
    writer, other = write(root, (1,)), DatasetWriter(root, SPEC)
    other.add_frame(frame(0, 2), "seed-0002")
    lay_out = layout.Layout._add_data

    def meanwhile(self, *rest):
        other.save_episode("grasp", ["approach"])
        lay_out(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(layout.Layout, "_add_data", meanwhile)
        assert writer.finalize() == 1
    assert other.finalize() == 1
    assert check(root) == [] and [e.key for e in Dataset(root)] == ["seed-0001", "seed-0002"]


def test_many_writers_at_once_lose_nothing(tmp_path):
    root = tmp_path / "set"
    begin = threading.Barrier(3)

    def work(first):
        begin.wait()
        for seed in range(first, 9, 3):
            write(root, (seed,), frames=4).finalize()

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work, n) for n in range(3)]:
            done.result()
    assert check(root) == [] and sorted(e.key for e in Dataset(root)) == [f"seed-{n:04d}" for n in range(9)]


@pytest.mark.parametrize("kind", video.KINDS)
def test_the_same_frames_give_the_same_file(kind, tmp_path):
    """So that two builds of one bag can be compared."""
    pictures = np.random.default_rng(1).integers(0, 255, (6, 24, 32, 3), np.uint8)
    files = set()
    for turn in range(4):
        writer = video.VideoWriter(tmp_path / str(turn), 24, 32, 10, kind)
        for picture in pictures:
            writer.add(picture if kind == "color" else picture[..., 0].astype(np.uint16) * 16)
        writer.close()
        files.add((tmp_path / str(turn)).read_bytes())
    assert len(files) == 1
