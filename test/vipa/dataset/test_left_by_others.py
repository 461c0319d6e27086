"""What LeRobot's own tools leave of a dataset (written here after their sources) is read; what is lost is said."""

import argparse
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.synthetic_bag import write_episode
from vipa.dataset import tables
from vipa.dataset.build import build_from_bags
from vipa.dataset.check import check
from vipa.dataset.reader import Dataset
from vipa.errors import VipaError
from vipa_cli.commands import dataset as command
from vipa_model.data.lerobot_import import import_lerobot


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A dataset of three episodes, the first two in one file. (root, run folders)"""
    base = tmp_path_factory.mktemp("whole")
    runs = []
    for name in ("one", "two", "three"):
        write_episode(base / name / "bag", seconds=0.5)
        (base / name / "scorecard.json").write_text(
            json.dumps({"episode_id": name, "outcome": "success"}), encoding="utf-8"
        )
        runs.append(base / name)
    build_from_bags(runs[:2], base / "set")
    build_from_bags(runs[2:], base / "set")
    return base / "set", runs


def edited(root, out, keep, index_name=None):
    """`lerobot-edit-dataset`'s deletion of all episodes but `keep`, whole files: columns of lists, new numbers, nothing of
    ours. index_name: what pandas calls the tasks' column."""
    info = json.loads((root / "meta/info.json").read_text(encoding="utf-8"))
    del info["vipa"]
    rows = [r for r in Dataset(root).rows if r["episode_index"] in keep]
    first = rows[0]["dataset_from_index"]
    (out / "meta/episodes/chunk-000").mkdir(parents=True)
    new = []
    for number, row in enumerate(rows):
        kept = {k: v for k, v in row.items() if not k.startswith("vipa/")}
        kept |= {"episode_index": number, "dataset_from_index": row["dataset_from_index"] - first}
        new.append(kept | {"dataset_to_index": row["dataset_to_index"] - first})
    for file in sorted({r["data/file_index"] for r in rows}):
        name = f"chunk-000/file-{file:03d}"
        table = pq.read_table(root / f"data/{name}.parquet", partitioning=None)
        columns = {n: pa.array(table[n].to_pylist()) for n in table.column_names}
        columns["index"] = pa.array(table["index"].to_numpy() - first)
        columns["episode_index"] = pa.array(table["episode_index"].to_numpy() - keep[0])
        (out / "data/chunk-000").mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), out / f"data/{name}.parquet")
        for video in root.glob(f"videos/*/{name}.mp4"):
            target = out / video.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(video, target)
    info |= {
        "total_episodes": len(new),
        "total_frames": new[-1]["dataset_to_index"],
        "splits": {"train": f"0:{len(new)}"},
    }
    (out / "meta/info.json").write_text(json.dumps(info), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(new), out / "meta/episodes/chunk-000/file-000.parquet")
    shutil.copyfile(root / "meta/stats.json", out / "meta/stats.json")
    names = {"task_index": pa.array([0]), index_name or "__index_level_0__": pa.array([new[0]["tasks"][0]])}
    pq.write_table(pa.table(names), out / "meta/tasks.parquet")
    return out


@pytest.mark.parametrize("keep, name", [([0, 1], None), ([2], "task")])
def test_it_is_read_and_what_is_lost_is_said(whole, tmp_path, keep, name):
    root = edited(whole[0], tmp_path / "set", keep, name)
    dataset, before = Dataset(root), Dataset(whole[0])
    assert len(dataset) == len(keep) and dataset.tasks == before.tasks
    for episode, number in zip(dataset, keep, strict=True):
        there = before.episode(number)
        for column in ("observation.state", "action", "subtask_index"):
            np.testing.assert_array_equal(episode[column], there[column])
        np.testing.assert_array_equal(episode.images("scene"), there.images("scene"))
        assert episode.key == f"episode-{episode.index:06d}" and episode.meta == {"subtasks": []}
    findings = check(root)
    assert [f for f in findings if f.level == "error"] == []
    said = " ".join(f.what for f in findings)
    assert (
        "no section 'vipa'" in said and "seed, outcome and commander" in said and "names of sub-tasks are lost" in said
    )
    with pytest.raises(VipaError, match="no depth of camera 'scene'"):
        dataset.episode(0).depth("scene")


def test_show_and_train_take_it(whole, tmp_path, capsys, caplog):
    root = edited(whole[0], tmp_path / "set", [0, 1])
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    assert command.run(parser.parse_args(["show", str(root)])) == 0
    out = capsys.readouterr().out
    assert "fr3_single, 2 episodes" in out and "note: meta/info.json has no section 'vipa'" in out
    store, ours = import_lerobot(root, tmp_path / "frames", 32), import_lerobot(whole[0], tmp_path / "ours", 32)
    assert [(g.name, g.hand, g.joints) for g in store.groups] == [("arm", 1, 7)]
    assert store.subtasks == [f"sub-task {i}" for i in range(5)] and "no section 'vipa'" in caplog.text
    for name in ("tool_pose", "hand", "positions", "commanded_hand", "subtask", "images"):
        np.testing.assert_array_equal(store.arrays[name], ours.arrays[name][: len(store)])
    assert not np.asarray(store.arrays["depth"]).any() and np.asarray(ours.arrays["depth"]).any()


def test_build_says_why_it_adds_nothing(whole, tmp_path):
    root = edited(whole[0], tmp_path / "set", [0, 1])
    with pytest.raises(VipaError, match="has no section 'vipa'.*built from the runs"):
        build_from_bags(whole[1], root)
    assert len(Dataset(root)) == 2 and not (root / ".staging").exists()


NONSENSE = [
    ({"fps": "ten"}, "fps is ten"),
    ({"fps": 0}, "fps 0; allowed"),
    ({"fps": float("nan")}, "fps nan"),
    ({"features": []}, "features is"),
    ({"features": {"action": 3}}, "feature action: 3"),
    ({"features": {"action": {"dtype": "float32", "shape": [2], "names": ["a"]}}}, "2 elements and 1 names"),
    ({"codebase_version": "v2.1"}, "codebase_version v2.1"),
    ({"vipa": 7}, "section vipa: 7"),
    ({"vipa": {"schema": "vipa/dataset/1", "groups": 3}}, "is no list"),
]


@pytest.mark.parametrize("change, said", NONSENSE)
def test_an_info_of_nonsense_is_no_dataset(whole, tmp_path, change, said):
    root = shutil.copytree(whole[0], tmp_path / "set")
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(VipaError, match=f"info.json: .*{said}"):
        check(root)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(VipaError, match="codebase_version list"):
        check(root)


@pytest.mark.parametrize(
    "key, value", [("data_path", "nowhere/{x}"), ("chunks_size", -5), ("robot_type", 7), ("total_tasks", 99)]
)
def test_check_finds_what_an_info_claims(whole, tmp_path, key, value):
    root = shutil.copytree(whole[0], tmp_path / "set")
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {key: value}), encoding="utf-8")
    assert any(f.level == "error" and key in f.what for f in check(root))


def test_check_finds_a_feature_of_another_size(whole, tmp_path):
    root = shutil.copytree(whole[0], tmp_path / "set")
    path = root / "meta/info.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    info["features"]["action"] |= {"shape": [3], "names": ["a", "b", "c"]}
    path.write_text(json.dumps(info), encoding="utf-8")
    assert any("action has 8 elements in data/, 3 in meta/info.json" in f.what for f in check(root))


def test_names_stand_in_the_order_of_their_place(tmp_path):
    pq.write_table(pa.table({"task": ["b", "a"], "task_index": [1, 0]}), tmp_path / "tasks.parquet")
    assert tables.read_names(tmp_path / "tasks.parquet") == ["a", "b"]
    pq.write_table(pa.table({"task": ["b"]}), tmp_path / "tasks.parquet")
    with pytest.raises(VipaError, match="ends in _index"):
        tables.read_names(tmp_path / "tasks.parquet")
