"""Every layout gives the same clip, and its records say what is true of it."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers import hand_videos as made
from vipa.errors import VipaError
from vipa.human import pickles, records
from vipa.human.clip import LEFT, RIGHT
from vipa.human.hoi4d import with_offset
from vipa.human.layouts import LAYOUTS, clips
from vipa.human.scale import calibration_scale, metric_depth
from vipa_cli import cli

WORDS = {
    "arctic": ("grab the box", "box"),
    "hoi4d": ("carry the mug", "mug"),
    "oakink2": ("Open the sugar box", "sugar box"),
    "taco": ("stir the bowl with the spoon", "bowl"),
    "h2o": ("grab milk", "milk"),
    "fpha": ("open juice bottle", "juice bottle"),
    "dexycb": ("pick up the mug", "mustard bottle"),
    "egodex": ("Close the bottle", None),
}
NEEDS = {"egodex": "h5py", "oakink2": "torch", "taco": "torch"}
JOINTS = {"egodex": 3, "hoi4d": 1, "oakink2": 1, "taco": 1}  # where it is not all 21
WITH_DEPTH = {"dexycb", "hoi4d", "taco"}


def build(layout, root):
    if layout in NEEDS:
        pytest.importorskip(NEEDS[layout])
    getattr(made, layout)(root)
    return root


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read(layout, tmp_path):
    (clip,) = clips(layout, build(layout, tmp_path))
    instruction, thing = WORDS[layout]
    assert clip.instruction == instruction and len(clip) == made.FRAMES and clip.fps == made.FPS
    right, count = clip.hands[RIGHT], made.FRAMES - (layout == "dexycb")
    np.testing.assert_allclose(right[:count, 0], [made.wrist(k) for k in range(count)], atol=1e-6)
    assert right.shape[2] == 3 and right.shape[1] == JOINTS.get(layout, 21)
    if layout == "dexycb":
        assert np.isnan(right[-1]).all()  # not seen
    if layout in WITH_DEPTH:
        assert (clip.depth(3) == 500).all()
    if layout in ("h2o", "egodex", "arctic", "hoi4d"):
        assert np.isnan(clip.hands[LEFT]).all()
    if thing:
        np.testing.assert_allclose(clip.things[thing], np.tile(made.THING, (made.FRAMES, 1)), atol=1e-6)
    assert abs(float(clip.picture(50).mean()) - 100) < 4
    assert clip.intrinsics.shape == (3, 3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_records_say_what_is_true(layout, tmp_path):
    root = build(layout, tmp_path / "source")
    report = records.write(clips(layout, root), tmp_path / "out", seed=3)
    visual, action = (
        [json.loads(line) for line in (tmp_path / "out" / name).read_text("utf-8").splitlines()]
        for name in (records.VISUAL_FILE, records.ACTION_FILE)
    )
    kinds = {record["type"] for record in visual}
    assert kinds == {"task_completion", "hand_movement"} | ({"spatial_relationship"} if WORDS[layout][1] else set())
    instruction, thing = WORDS[layout]
    goal = next(r for r in visual if r["type"] == "task_completion" and RIGHT in r["question"])
    assert goal["question"] == f"How should the right hand move to {instruction}?" and goal["answer"] == "right, 0.30m"
    moved = [r for r in visual if r["type"] == "hand_movement"]
    assert moved and all(r["answer"] == "right, 0.10m" and len(r["images"]) == 2 for r in moved)
    if thing:
        where = next(
            r
            for r in visual
            if r["type"] == "spatial_relationship" and f"{thing} in relation to the {RIGHT}" in r["question"]
        )
        assert where["answer"] == "right and forward, 0.23m"  # 0.2, 0.05, 0.1 m
    assert action
    for record in action:
        way = np.array(record.get("context", []) + record["trajectory"])
        assert (
            way.shape == (records.STEPS, 3) and (np.diff(way[:, 0]) > 0).all() and np.allclose(way[:, 1:], way[0, 1:])
        )
    for record in [*visual, *action]:
        assert all(cv2.imread(str(tmp_path / "out" / p)) is not None for p in record["images"])
        assert ("depths" in record) == (layout in WITH_DEPTH)
    assert report["types"]["task_completion"]["count"] == sum(r["type"] == "task_completion" for r in visual)


def test_records_are_what_training_takes(tmp_path):
    hand3d = pytest.importorskip("vipa_model.data.hand3d", exc_type=ImportError)
    made.dexycb(tmp_path / "source")
    records.write(clips("dexycb", tmp_path / "source"), tmp_path / "out")
    for name, kinds in ((records.VISUAL_FILE, hand3d.VISUAL), (records.ACTION_FILE, hand3d.ACTION)):
        for line in (tmp_path / "out" / name).read_text("utf-8").splitlines():
            record = json.loads(line)
            hand3d.check(record, kinds)
            hand3d.whole(record, tmp_path / "out")


def test_a_camera_that_turns_is_taken_out_of_motions_and_asked_about(tmp_path):
    made.h2o(tmp_path / "source", turned=True)
    records.write(clips("h2o", tmp_path / "source"), tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / records.VISUAL_FILE).read_text("utf-8").splitlines()]
    turns = [r["answer"] for r in lines if r["type"] == "camera_movement"]
    assert turns and all(answer.startswith("right, ") and abs(float(answer.split()[1]) - 10) < 0.01 for answer in turns)
    first = next(r for r in lines if r["type"] == "task_completion")
    assert (
        first["answer"] == "right, 0.30m"
    )  # in the frame of the first picture; by later pictures' own frames it would be less


def test_what_rests_is_not_asked_about(tmp_path, monkeypatch):
    monkeypatch.setattr(made, "WAY_M", 0.01)
    made.fpha(tmp_path / "source")
    report = records.write(clips("fpha", tmp_path / "source"), tmp_path / "out")
    assert {name for name, row in report["types"].items() if row["count"]} == {"spatial_relationship"}


def test_scale_is_the_median_of_depth_over_estimate():
    random = np.random.default_rng(0)
    joints = made.joints(30) + random.normal(0, 0.02, (21, 3)) * [1, 1, 0]
    joints[3] = np.nan
    estimated = np.full(made.SIZE, 0.2)
    estimated[:5] = np.nan
    wanted = np.median(np.delete(joints, 3, 0)[:, 2] / 0.2)
    assert calibration_scale(joints, estimated, made.K) == pytest.approx(wanted)
    u, v, z = joints[0] @ made.K.T
    estimated[int(v / z), int(u / z)] = 1e9  # one joint before a hole moves a mean, not the median
    assert calibration_scale(joints, estimated, made.K) == pytest.approx(wanted, rel=0.01)
    np.testing.assert_array_equal(metric_depth(np.array([[0.2, np.nan, -1.0, 1e6]]), 2.5), [[500, 0, 0, 0]])
    assert calibration_scale(joints + [10, 0, 0], estimated, made.K) is None  # none in the picture


@pytest.mark.parametrize("layout", LAYOUTS)
def test_estimated_depth_becomes_metric(layout, tmp_path):
    (clip,) = clips(layout, build(layout, tmp_path / "source"))
    clip = replace(clip, intrinsics=made.K)  # FPHA's are of larger pictures
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / f"depth/{clip.key}-000000.npy", np.full(made.SIZE, 0.1))
    records.write([clip], tmp_path / "out", depth=tmp_path / "depth")
    image = cv2.imread(str(tmp_path / f"out/pictures/{clip.key}-000000.png"), cv2.IMREAD_UNCHANGED)
    away = np.nanmedian(np.concatenate([joints[0] for joints in clip.hands.values()])[:, 2])
    assert 0.5 <= away < 0.53 and np.abs(image.astype(int) - 1000 * away).max() <= 1
    lines = (tmp_path / "out" / records.ACTION_FILE).read_text("utf-8").splitlines()
    assert sum("depths" in json.loads(line) for line in lines) == 1 + (layout == "taco")  # of both hands there


def test_a_picture_without_a_joint_has_no_estimated_depth(tmp_path):
    made.h2o(tmp_path / "source")
    (clip,) = clips("h2o", tmp_path / "source")
    clip = replace(clip, intrinsics=made.K + [[0, 0, 1000], [0, 0, 0], [0, 0, 0]])
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / f"depth/{clip.key}-000000.npy", np.full(made.SIZE, 0.1))
    report = records.write([clip], tmp_path / "out", depth=tmp_path / "depth")
    assert report["unscaled_pictures"] == 1 and not list((tmp_path / "out/pictures").glob("*.png"))
    np.save(tmp_path / f"depth/{clip.key}-000000.npy", np.full((10, 10), 0.1))
    with pytest.raises(VipaError, match="as high and wide as the picture"):
        records.write([clip], tmp_path / "other", depth=tmp_path / "depth")


HOI4D = "ZY20210800001/H1/C2/N01/S50/s01/T1"
OAKINK2 = "scene_01__A001++seq__0f__2023-04-27-19-48-27"
TACO = "(stir, spoon, bowl)/20231105_019"
DAMAGE = [
    ("h2o", "subject1/h1/0/cam4/hand_pose/000003.txt", b"1 2 3", "000003.txt: 3 numbers; allowed: 128"),
    ("h2o", "subject1/h1/0/cam4/action_label/000003.txt", b"99", "99; allowed: 0 to 36"),
    ("h2o", "subject1/h1/0/cam4/rgb/000000.png", b"", "no picture that OpenCV reads"),
    ("fpha", "Hand_pose_annotation_v1/Subject_1/open_juice_bottle/1/skeleton.txt", b"1 2 nan", "rows of 64"),
    ("dexycb", "20200709-subject-01/20200709_141754/meta.yml", b"serials: 3", "what DexYCB has there"),
    ("dexycb", "20200709-subject-01/20200709_141754/836212060125/labels_000004.npz", b"PK", "labels_000004.npz"),
    ("arctic", "processed_seqs/s05/box_grab_01.npy", b"PK", "box_grab_01.npy: no array of NumPy's"),
    ("arctic", "meta/misc.json", b"{}", "'s05'.*what ARCTIC has there"),
    ("hoi4d", f"HOI4D_annotations/{HOI4D}/3Dseg/output.log", b"0 0 1\n1 0 0 0\n", "output.log"),
    ("hoi4d", f"HOI4D_annotations/{HOI4D}/action/color.json", b'{"events": []}', "info with duration"),
    ("hoi4d", f"handpose/refinehandpose_right/{HOI4D}/7.pickle", b"\x80", "7.pickle: no pickle that can be read"),
    ("oakink2", f"anno_preview/{OAKINK2}.pkl", pickle.dumps({"cam_def": {}}), "frame_id_list.*what OakInk2 has there"),
    ("oakink2", f"program/desc_info/{OAKINK2}.json", b'{"(None, 7": {}}', "what OakInk2 has there"),
    ("taco", f"Hand_Poses/{TACO}/left_hand.pkl", pickle.dumps({"1": {}}), "hand_trans of three numbers a frame"),
    ("taco", f"Object_Poses/{TACO}/tool_1.npy", b"", "2 files tool_.*; allowed: one"),
]


@pytest.mark.parametrize("layout, path, data, said", DAMAGE)
def test_damage_is_one_line_and_leaves_nothing(layout, path, data, said, tmp_path):
    build(layout, tmp_path / "source")
    (tmp_path / "source" / path).write_bytes(data)
    with pytest.raises(VipaError, match=said):
        records.write(clips(layout, tmp_path / "source"), tmp_path / "out")
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


PICTURES = {
    "arctic": "images",
    "hoi4d": "HOI4D_release",
    "oakink2": "data",
    "taco": "Egocentric_RGB_Videos",
}


@pytest.mark.parametrize("layout", PICTURES)
def test_annotations_without_pictures_give_no_clip(layout, tmp_path):
    shutil.rmtree(build(layout, tmp_path) / PICTURES[layout])
    assert list(clips(layout, tmp_path)) == []


def test_arctic_says_what_has_to_be_made_first(tmp_path):
    (tmp_path / "raw_seqs").mkdir()
    with pytest.raises(VipaError, match="processed_seqs, which ARCTIC's process_seqs.py makes"):
        list(clips("arctic", tmp_path))


def test_hoi4d_without_marked_actions_is_one_clip_of_its_task(tmp_path):
    made.hoi4d(tmp_path)
    (tmp_path / f"HOI4D_annotations/{HOI4D}/action/color.json").unlink()
    (clip,) = clips("hoi4d", tmp_path)
    assert clip.instruction == "pick and place: mug" and clip.fps == 15 and len(clip) == made.FRAMES


def test_the_wrist_of_hoi4d_is_found_from_its_pixels():
    intrinsics = np.array([[1000.0, 0, 960], [0, 1000.0, 540], [0, 0, 1]])
    way = np.random.default_rng(1).normal(0, 0.01, (300, 3)).cumsum(axis=0) * 0.3 + [0, 0, 0.6]
    seen = way @ intrinsics.T
    pixels = np.round(seen[:, :2] / seen[:, 2:])
    found = with_offset(way - made.MANO_OFFSET, pixels, intrinsics)
    assert np.abs(found - way).max() < 0.005
    pixels[7] += 100  # a frame whose hand is elsewhere is not known, and the others as before
    again = with_offset(way - made.MANO_OFFSET, pixels, intrinsics)
    assert np.isnan(again[7]).all() and np.abs(np.delete(again - way, 7, 0)).max() < 0.01
    still = np.tile(way[:1], (300, 1))  # how far away a hand that rests is cannot be told: left as `trans` has it
    rest = with_offset(still - made.MANO_OFFSET, np.tile(pixels[:1], (300, 1)), intrinsics)
    assert np.abs(rest - still).max() < 0.02


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["x.pkl", "x.npy"])
def test_a_pickle_runs_nothing(name, tmp_path):
    path, made_by_it = tmp_path / name, tmp_path / "ran"
    if name == "x.npy":
        np.save(path, {"a": Hostile(made_by_it)})
    else:
        path.write_bytes(pickle.dumps({"a": Hostile(made_by_it)}))
    with pytest.raises(VipaError, match="the pickle wants .*; allowed: plain data, arrays and tensors"):
        (pickles.load_npy if name == "x.npy" else pickles.load)(path)
    assert not made_by_it.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_of_data_is_read(protocol, tmp_path):
    data = {"a": np.arange(6.0).reshape(2, 3), 3: [np.float32(2.5), "words", None, (1, True)], "b": b"\xff"}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(data, protocol=protocol))
    found = pickles.load(tmp_path / "x.pkl")
    np.testing.assert_array_equal(found["a"], data["a"])
    assert found[3] == data[3] and found["b"] == data["b"]


def test_tensors_of_a_pickle_are_arrays(tmp_path):
    torch = pytest.importorskip("torch")
    data = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.nn.Parameter(torch.ones(2)), "c": torch.tensor([3])}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(data))
    found = pickles.load(tmp_path / "x.pkl")
    assert all(type(value) is np.ndarray for value in found.values())
    np.testing.assert_array_equal(found["a"], [[0, 3], [1, 4], [2, 5]])
    assert found["c"].tolist() == [3] and found["b"].tolist() == [1, 1]


def test_the_command(tmp_path, capsys):
    made.fpha(tmp_path / "source")
    (tmp_path / "captions.json").write_text('{"Subject_1-open_juice_bottle-1": "unscrew the cap"}', encoding="utf-8")
    words = ["dataset", "align-video", "fpha", str(tmp_path / "source"), "--out", str(tmp_path / "out"), "--json"]
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--captions", str(tmp_path / "captions.json")])
    assert ended.value.code == 0 and json.loads(capsys.readouterr().out)["clips"] == 1
    assert "move to unscrew the cap?" in (tmp_path / "out" / records.VISUAL_FILE).read_text("utf-8")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as ended:
        cli.main(["dataset", "align-video", "h2o", str(tmp_path / "empty"), "--out", str(tmp_path / "none")])
    assert ended.value.code == 2 and "no clip is there" in capsys.readouterr().err
