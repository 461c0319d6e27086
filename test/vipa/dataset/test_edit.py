"""Edited datasets: what is left is what was there, check finds nothing, and what was read stays as it was."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.small_dataset import SPEC, frame, write
from vipa.dataset import edit, edit_words, video
from vipa.dataset.check import check
from vipa.dataset.features import IMAGES, depth_feature
from vipa.dataset.layout import episode_rows
from vipa.dataset.quality import quality
from vipa.dataset.reader import Dataset
from vipa.dataset.spec import INDEX_FEATURES
from vipa.dataset.video import count_frames, read_frames
from vipa.dataset.writer import DatasetWriter
from vipa.errors import VipaError
from vipa_cli import cli

COUNT, FRAMES = 5, 9
FEW = settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset of five episodes in two files each."""
    root = tmp_path_factory.mktemp("edit") / "set"
    write(root, (1, 2, 3), FRAMES).finalize()
    write(root, (4, 5), FRAMES).finalize()
    return root


@pytest.fixture
def fresh(tmp_path_factory):
    """A new folder at every call."""
    return lambda: tmp_path_factory.mktemp("out") / "set"


def content(root: Path) -> list[dict]:
    """What each episode holds, without the numbers that its place in the dataset gives it."""
    dataset, found = Dataset(root), []
    for episode in dataset:
        columns = {n: episode[n].tolist() for n in SPEC.features if n != "subtask_index"}
        columns["subtask"] = [dataset.subtasks[n] for n in episode["subtask_index"]]
        columns["language"] = episode.table["language_persistent"].to_pylist()
        for camera in SPEC.cameras:
            columns[camera.name] = episode.images(camera.name).tobytes()
        columns["depth"] = episode.depth("scene").tobytes()
        columns["depth map"] = depth_map(root, episode).tobytes()
        stats = {
            key: value
            for key, value in episode_rows(root)[episode.index].items()
            if key.startswith("stats/") and key.split("/")[1] not in (*INDEX_FEATURES, "subtask_index")
        }
        found.append(
            columns | {"key": episode.key, "instruction": episode.instruction, "meta": episode.meta, "stats": stats}
        )
    return found


def depth_map(root: Path, episode) -> np.ndarray:
    """The codes that LeRobot reads depth from."""
    feature = depth_feature("scene")
    row = episode.row
    path = root / f"videos/{feature}/chunk-000/file-{row[f'videos/{feature}/file_index']:03d}.mp4"
    first = round(row[f"videos/{feature}/from_timestamp"] * episode.fps)
    return read_frames(path, first, episode.length, episode.fps, depth=True)


def files_of(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


chosen = st.sets(st.integers(0, COUNT - 1), min_size=1, max_size=COUNT - 1)


@FEW
@given(gone=chosen)
def test_what_is_not_deleted_stays(made, fresh, gone):
    before, out = files_of(made), fresh()
    assert edit.delete(made, gone, out) == COUNT - len(gone)
    whole = content(made)
    assert content(out) == [whole[n] for n in range(COUNT) if n not in gone]
    assert check(out) == [] and files_of(made) == before
    assert not list(out.parent.glob(".*")) and not (out / edit.WORK).exists()


@FEW
@given(first=chosen)
def test_parts_that_are_merged_are_the_whole(made, fresh, first):
    out, merged = fresh(), fresh()
    rest = [n for n in range(COUNT) if n not in first]
    assert edit.split(made, {"a": sorted(first), "b": rest}, out) == {"a": len(first), "b": len(rest)}
    assert check(out / "a") == check(out / "b") == []
    assert edit.merge([out / "a", out / "b"], merged) == COUNT
    whole = content(made)
    assert content(merged) == [whole[n] for n in [*sorted(first), *rest]] and check(merged) == []


def test_deleted_and_merged_again_is_the_dataset(made, fresh):
    left, taken, again = fresh(), fresh(), fresh()
    edit.delete(made, [3, 4], left)
    edit.delete(made, [0, 1, 2], taken)
    edit.merge([left, taken], again)
    assert content(again) == content(made)
    for name in ("meta/info.json", "meta/stats.json"):
        assert json.loads((again / name).read_text("utf-8")) == json.loads((made / name).read_text("utf-8"))
    assert Dataset(again).tasks == Dataset(made).tasks and Dataset(again).subtasks == Dataset(made).subtasks


@FEW
@given(number=st.integers(0, COUNT - 1), first=st.integers(0, FRAMES - 1), data=st.data())
def test_a_trimmed_episode_is_its_part(made, fresh, number, first, data):
    end = data.draw(st.integers(first + 1, FRAMES))
    out = fresh()
    assert edit.trim(made, {number: (first, end)}, out) == FRAMES - (end - first)
    assert check(out) == []
    whole, left = content(made), content(out)
    assert [e for n, e in enumerate(left) if n != number] == [e for n, e in enumerate(whole) if n != number]
    before, after = Dataset(made).episode(number), Dataset(out).episode(number)
    for name in SPEC.features:
        np.testing.assert_array_equal(after[name], before[name][first:end])
    np.testing.assert_array_equal(after.depth("scene"), before.depth("scene")[first:end])
    np.testing.assert_array_equal(depth_map(out, after), depth_map(made, before)[first:end])
    for camera in SPEC.cameras:
        there, was = after.images(camera.name), before.images(camera.name)[first:end]
        encoded = first % 2  # every second frame is a key frame: at most one is encoded anew
        np.testing.assert_array_equal(there[encoded:], was[encoded:])
        assert np.abs(there.astype(int) - was).max() < 12
    if (first, end) != (0, FRAMES):
        assert after.meta["trimmed"] == {"first": first, "frames": end - first, "of": FRAMES}
        assert after.meta["start_ns"] == round(first * 1e8)
        state = Dataset(out).stats["observation.state"]
        values = np.concatenate([e["observation.state"] for e in Dataset(out)])
        np.testing.assert_allclose(state["mean"], values.mean(axis=0), rtol=1e-6)


def test_pictures_statistics_of_a_part_are_those_of_its_frames(made, fresh):
    out = fresh()
    edit.trim(made, {4: (0, 2)}, out)
    row = episode_rows(out)[4]
    assert row["stats/observation.images.wrist/max"][0][0][0] == pytest.approx(8 / 255, abs=0.02)
    assert row["stats/observation.images.scene_depth/min"][0][0][0] == 5000


def test_who_drove_is_told_from_the_new_beginning(tmp_path, fresh):
    root = tmp_path / "set"
    writer = DatasetWriter(root, SPEC)
    for k in range(FRAMES):
        writer.add_frame(frame(k, 1), "one")
    drives = [[-0.1, "policy", False], [0.2, "", True], [0.3, "person", True], [0.7, "policy", False]]
    writer.save_episode("reach", ["approach"], {"start_ns": 0, "drives": drives, "interventions": 1})
    writer.finalize()
    out = fresh()
    edit.trim(root, {0: (4, 8)}, out)
    meta = Dataset(out).episode(0).meta
    assert meta["drives"] == [[-0.1, "person", True], [0.3, "policy", False]] and meta["interventions"] == 1


def test_relabelled_episodes_say_so_everywhere(made, fresh):
    out = fresh()
    assert edit.relabel(made, out, "lift it", [0, 2], {"approach": "come near"}) == 2
    dataset = Dataset(out)
    assert dataset.tasks == ["lift it", "grasp", "reach"] and dataset.subtasks == [
        "come near", "end 1", "approach", "end 0"]  # fmt: skip
    first = dataset.episode(0)
    assert first.instruction == "lift it" and first.meta["recorded_instruction"] == "reach"
    told = first.table["language_persistent"][0].as_py()
    assert [row["content"] for row in told] == ["lift it", "come near", "end 1"]
    assert check(out) == []
    whole, left = content(made), content(out)
    assert [left[n] for n in (1, 3, 4)] == [whole[n] for n in (1, 3, 4)]
    for name in ("scene", "depth", "action"):
        assert left[0][name] == whole[0][name]


def test_a_relabelled_episode_is_no_mistake(tmp_path, fresh):
    """quality() compares an instruction with its task's own, unless a person has changed it."""
    root, out = tmp_path / "set", fresh()
    writer = DatasetWriter(root, SPEC)
    for k in range(FRAMES):
        writer.add_frame(frame(k, 1), "one")
    writer.save_episode("put all the fruit away", ["approach"], {"task": "put_three_obj"})
    writer.finalize()
    assert any("task put_three_obj says" in f.what for f in quality(Dataset(root)))
    edit.relabel(root, out, "tidy up")
    assert not any("task put_three_obj says" in f.what for f in quality(Dataset(out)))


def test_in_place_is_all_or_nothing(made, tmp_path, monkeypatch):
    root = shutil.copytree(made, tmp_path / "set")
    (tmp_path / "link").symlink_to("set")
    before = files_of(root)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(edit, "derive", killed)
        with pytest.raises(KeyboardInterrupt):
            edit.delete(root, [0], root)
    (tmp_path / ".set.new-killed").mkdir()  # of a process that could not even clear up
    assert {k: v for k, v in files_of(root).items() if k != ".lock"} == {
        k: v for k, v in before.items() if k != ".lock"
    }
    assert edit.delete(root, [0], tmp_path / "link") == COUNT - 1
    assert (tmp_path / "link").is_symlink() and len(Dataset(root)) == COUNT - 1 and check(root) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "set"]


@pytest.mark.parametrize("settings_, files", [({"preset": "slow", "g": "2", "bf": "0"}, 2), ({"g": "6", "bf": "2"}, 1)])
def test_videos_of_another_encoder_are_not_glued_to_ours(made, tmp_path, fresh, monkeypatch, settings_, files):
    """They get a file of their own, or, where frames are not in the order of time, are encoded anew."""
    other, out = tmp_path / "other", fresh()
    with monkeypatch.context() as patch:
        patch.setitem(video.KINDS, "color", ("mp4", "libx264", "yuv420p", settings_ | {"crf": "20", "threads": "1"}))
        write(other, (7,), FRAMES).finalize()
    edit.merge([made, other], out)
    assert len({row[f"videos/{IMAGES}scene/file_index"] for row in episode_rows(out)}) == files
    assert check(out) == []
    there, was = Dataset(out).episode(COUNT).images("scene"), Dataset(other).episode(0).images("scene")
    assert np.abs(there.astype(int) - was).mean() < 3
    edit.trim(out, {COUNT: (3, 8)}, out)
    assert check(out) == [] and len(Dataset(out).episode(COUNT).images("scene")) == 5


REFUSED = [
    (lambda r, o: edit.delete(r, [5], o), "episode 5; allowed: 0 to 4"),
    (lambda r, o: edit.delete(r, [-1, 7], o), "episode -1, 7; allowed: 0 to 4"),
    (lambda r, o: edit.delete(r, [], o), "no episode is named"),
    (lambda r, o: edit.delete(r, range(5), o), "at least one"),
    (lambda r, o: edit.split(r, {"a": [0, 1], "b": [1]}, o), "in the parts a and b"),
    (lambda r, o: edit.split(r, {"../a": [0]}, o), "the name of a folder"),
    (lambda r, o: edit.merge([r], o), "two or more"),
    (lambda r, o: edit.merge([r, r], o), "seed-0001 is in"),
    (lambda r, o: edit.trim(r, {0: (3, 3)}, o), "frames 3:3; allowed: within 0:9"),
    (lambda r, o: edit.trim(r, {0: (0, 10)}, o), "frames 0:10; allowed: within 0:9"),
    (lambda r, o: edit.trim(r, {9: (0, 1)}, o), "episode 9; allowed"),
    (lambda r, o: edit.relabel(r, o), "nothing to relabel"),
    (lambda r, o: edit.relabel(r, o, " "), "empty instruction"),
    (lambda r, o: edit.relabel(r, o, subtasks={"fly": "swim"}), "no sub-task fly; allowed: approach"),
    (lambda r, o: edit.shares(r, {"a": 0.9, "b": 0.2}), "together at most 1"),
    (lambda r, o: edit.shares(r, {"a": 0.95, "b": 0.05}), "give none to b"),
    (lambda r, o: edit.delete(r.parent, [0], o), "no dataset"),
]


@pytest.mark.parametrize("call, said", REFUSED)
def test_refusals_are_one_line_and_leave_nothing(made, tmp_path, call, said):
    out = tmp_path / "new" / "set"
    with pytest.raises(VipaError) as refused:
        call(made, out)
    assert said in str(refused.value) and "\n" not in str(refused.value)
    assert not out.exists() and not list(tmp_path.rglob(".set*"))


def test_other_robots_and_rates_are_not_merged(made, tmp_path):
    for name, changed, said in (
        ("robot", {"robot_type": "ur5e"}, "robot_type there 'two_joints', here 'ur5e'"),
        ("rate", {"fps": 15}, "fps there 10, here 15"),
        ("camera", {"cameras": SPEC.cameras[:1]}, "cameras there"),
    ):
        writer = DatasetWriter(tmp_path / name, dataclasses.replace(SPEC, **changed))
        kept = {k: v for k, v in frame(0).items() if name != "camera" or "wrist" not in k}
        writer.add_frame(kept, "other")
        writer.save_episode("reach", ["approach"])
        writer.finalize()
        with pytest.raises(VipaError, match=said):
            edit.merge([made, tmp_path / name], tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_datasets_that_are_not_complete_or_not_ours_are_refused(made, tmp_path):
    root = shutil.copytree(made, tmp_path / "set")
    with pytest.raises(VipaError, match="is there already"):
        edit.delete(made, [0], root)
    write(root, (9,), 3)
    with pytest.raises(VipaError, match="1 episodes are saved and not part of it"):
        edit.delete(root, [0], tmp_path / "out")
    info = json.loads((root / "meta/info.json").read_text("utf-8"))
    del info["vipa"]
    (root / "meta/info.json").write_text(json.dumps(info), encoding="utf-8")
    with pytest.raises(VipaError, match="has no section 'vipa'"):
        edit.delete(root, [0], tmp_path / "out")


def test_words():
    assert edit_words.numbers(["4", "2:5", "7:", ":2"], 9) == [4, 2, 3, 4, 7, 8, 0, 1]
    assert edit_words.parts_of(["a=0.5", "b=.25"]) == {"a": 0.5, "b": 0.25}
    assert edit_words.parts_of(["a=0:3,7"]) == {"a": ["0:3", "7"]}
    assert edit_words.spans_of(["3=10:120", "4=:90", "5=12:"]) == {3: (10, 120), 4: (0, 90), 5: (12, None)}
    assert edit_words.renamed(["a=b c"]) == {"a": "b c"}
    for call, word in (
        (lambda w: edit_words.numbers([w], 9), "-1"),
        (lambda w: edit_words.numbers([w], 9), "5:2"),
        (lambda w: edit_words.numbers([w], 9), "x"),
        (lambda w: edit_words.numbers([w], 9), "1:x"),
        (lambda w: edit_words.numbers([w], 9), ""),
        (edit_words.parts_of, ["a"]),
        (edit_words.parts_of, ["a=0.5", "a=0.5"]),
        (edit_words.parts_of, ["a=0.5", "b=3"]),
        (edit_words.spans_of, ["3=10"]),
        (edit_words.spans_of, ["x=1:2"]),
        (edit_words.renamed, ["a="]),
    ):
        with pytest.raises(VipaError, match="allowed"):
            call(word)


def test_the_command(made, tmp_path, capsys):
    def vipa(*words):
        with pytest.raises(SystemExit) as ended:
            cli.main(["dataset", "edit", *map(str, words)])
        return ended.value.code, capsys.readouterr()

    assert vipa("split", made, "train=0.6", "val=0.4", "--out", tmp_path / "parts")[0] == 0
    assert len(Dataset(tmp_path / "parts/train")) == 3 and len(Dataset(tmp_path / "parts/val")) == 2
    assert vipa("merge", tmp_path / "parts/train", tmp_path / "parts/val", "--out", tmp_path / "all")[0] == 0
    assert vipa("delete", tmp_path / "all", "1:3", "--in-place")[0] == 0
    code, said = vipa("trim", tmp_path / "all", "0=2:6", "--in-place", "--json")
    assert code == 0 and json.loads(said.out) == {"dataset": str(tmp_path / "all"), "frames": FRAMES - 4}
    assert vipa("relabel", tmp_path / "all", "0", "--instruction", "lift", "--in-place")[0] == 0
    dataset = Dataset(tmp_path / "all")
    assert [e.length for e in dataset] == [4, FRAMES, FRAMES] and dataset.episode(0).instruction == "lift"
    assert check(tmp_path / "all") == []
    assert count_frames(tmp_path / "all" / f"videos/{IMAGES}scene/chunk-000/file-000.mp4") == 4 + 2 * FRAMES
    code, said = vipa("delete", made, "9", "--out", tmp_path / "x")
    assert code == 2 and said.err.count("\n") == 1 and "episode 9; allowed: 0 to 4" in said.err
