"""Alignment data from one's own bags: what the records say is what TF and ground truth of the bag say; without ground truth, what a hand took."""

import json
from dataclasses import replace

import numpy as np
import pytest

from helpers.bag_forms import rewrite
from vipa.dataset import clips
from vipa.dataset.run import Run
from vipa.human import records
from vipa.recording.reader import BagReader, stamp_ns
from vipa.recording.topic_names import GROUND_TRUTH
from vipa.robot.state import CameraFrame
from vipa_cli import cli
from vipa_model.processing.directions import direction_words


def vipa(*args):
    with pytest.raises(SystemExit) as ended:
        cli.main([str(a) for a in args])
    return ended.value.code


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The run folder of an expert that takes the can."""
    out = tmp_path_factory.mktemp("runs")
    line = "episode --task water_plant --seed 1 --time-limit 4.5 --in-process --no-video --out".split()
    assert vipa(*line, out) == 0
    return (out / "latest").resolve()


@pytest.fixture(scope="module")
def without_truth(run, tmp_path_factory):
    """The same as a real cell would have it."""
    other = tmp_path_factory.mktemp("real") / run.name
    other.mkdir()
    for name in ("scorecard.json", "config.yaml"):
        (other / name).write_bytes((run / name).read_bytes())
    rewrite(run / "bag", other / "bag", keep=lambda raw: raw[0] != GROUND_TRUTH)
    return other


def of_camera(folder, camera):
    """The clip of the first sub-task as `camera` saw it, the run open."""
    with Run(folder) as opened:
        yield from (
            c for c in clips.of_run(opened, 10) if f"-{camera}-" in c.key and c.instruction == "pick up watering can"
        )


def truth_of(run, name):
    with BagReader(run / "bag") as bag:
        return [
            (stamp_ns(m.data), np.array([p.x, p.y, p.z]))
            for m in bag.messages([GROUND_TRUTH])
            for n, pose in zip(m.data.names, m.data.poses, strict=True)
            for p in [pose.position]
            if n == name
        ]


def test_what_a_clip_says_is_what_the_bag_says(run):
    (clip,) = of_camera(run, "scene")
    with Run(run) as opened:
        camera = opened.cameras.extrinsics(
            "scene", np.zeros(opened.cameras.kinematics.model.nq)[: len(opened.cameras.kinematics.joint_names)]
        )
    can, first = truth_of(run, "can"), clip.things["can"][0]
    seen = np.linalg.inv(camera) @ np.append(can[5][1], 1.0)  # it stands still before it is taken
    np.testing.assert_allclose(first, seen[:3], atol=1e-3)
    lifted = can[-1][1][2] - can[0][1][2]
    assert lifted > 0.04 and clip.instruction == "pick up watering can" and list(clip.hands) == ["gripper"]
    world = [np.append(p, 1.0) @ camera.T for p in clip.hands["gripper"][:, 0]]
    assert np.ptp(np.array(world)[:, 2]) > 0.2  # it comes down from above


def test_records_say_what_the_clip_says_and_training_takes_them(run, tmp_path, capsys):
    assert vipa("dataset", "align", run, "--out", tmp_path / "out", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["clips"] == 2 and said["left_out"] == {} and said["types"]["spatial_relationship"]["paper"] == 0.249
    visual, action = (
        [json.loads(line) for line in (tmp_path / "out" / name).read_text("utf-8").splitlines()]
        for name in (records.VISUAL_FILE, records.ACTION_FILE)
    )
    (clip,) = of_camera(run, "scene")
    where = next(r for r in visual if "-scene-" in r["id"] and r["question"].startswith("Where is the can in relation"))
    assert where["answer"] == direction_words(clip.things["can"][0] - clip.hands["gripper"][0, 0])
    goal = next(r for r in visual if "-scene-" in r["id"] and r["type"] == "task_completion")
    assert goal["question"] == "How should the gripper move to pick up watering can?"
    assert any("-wrist-" in r["id"] and r["type"] == "camera_movement" for r in visual)
    assert not any("-scene-" in r["id"] and r["type"] == "camera_movement" for r in visual)
    assert {r["instruction"] for r in action} == {"pick up watering can"}
    assert all(r["depths"] and r["intrinsics"] for r in [*visual, *action])
    hand3d = pytest.importorskip("vipa_model.data.hand3d", exc_type=ImportError)
    for record in visual:
        hand3d.check(record, hand3d.VISUAL)
        hand3d.whole(record, tmp_path / "out")
    for record in action:
        hand3d.check(record, hand3d.ACTION)


def test_without_ground_truth_a_thing_is_where_a_hand_closed_on_it(run, without_truth):
    (clip,), (known,) = of_camera(without_truth, "scene"), of_camera(run, "scene")
    assert set(clip.things) == {"can"}
    places = clip.things["can"]
    there = np.flatnonzero(np.isfinite(places).all(axis=1))
    assert len(there) and there[-1] < len(places) - 3  # not once it is in the hand
    assert np.ptp(places[there], axis=0).max() < 1e-9
    off = np.linalg.norm(clip.hands["gripper"][:, 0] - places[there[0]], axis=1)
    assert off.min() < 0.005  # the tool was there
    assert np.linalg.norm(places[there[0]] - known.things["can"][0]) < 0.2  # and the can, which is as high


def test_a_hand_begins_to_close_once():
    closings = clips._Closings()
    openings = [0.9, 1.0, 0.95, 0.8, 0.5, 0.3, 0.32, 0.3, 0.6, 0.9, 0.88, 0.7, 0.4]
    assert [i for i, opening in enumerate(openings) if closings.begins(opening)] == [3, 11]


@pytest.mark.parametrize(
    "point, depth_mm, seen",
    [
        ((0.0, 0.0, 1.0), 1000, True),
        ((0.0, 0.0, 1.0), 800, False),  # something before it
        ((0.0, 0.0, 1.0), 0, True),  # nothing measured there
        ((0.0, 0.0, -1.0), 1000, False),
        ((0.9, 0.0, 1.0), 1000, False),  # beside the picture
    ],
)
def test_what_is_hidden_or_out_of_the_picture_is_not_seen(point, depth_mm, seen):
    k = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
    depth = np.full((48, 64), depth_mm, np.uint16)
    frame = CameraFrame("scene", 1, np.zeros((48, 64, 3), np.uint8), depth, k, np.eye(4))
    near = (-np.inf, clips.HIDDEN_M)
    assert clips._seen(frame, depth, np.array(point), near) == seen
    by_a_grasp = (-clips.GRASPED_M, clips.GRASPED_M)
    assert clips._seen(frame, depth, np.array(point), by_a_grasp) == (seen and depth_mm > 0)


def test_two_arms_have_grippers_of_their_own(run):
    (clip,) = of_camera(run, "scene")
    both = replace(
        clip,
        hands={"right gripper": clip.hands["gripper"], "left gripper": clip.hands["gripper"] + [0.3, 0, 0]},
        things={},
    )
    said = {r["question"]: r["answer"] for r in records._relations(both, 0)}
    assert said == {
        "Where is the left gripper in relation to the right gripper, and how far away is it?": "right, 0.30m"
    }


def test_a_run_that_cannot_be_used_is_named_and_the_others_are_taken(run, tmp_path, capsys):
    (tmp_path / "broken" / "bag").mkdir(parents=True)
    assert vipa("dataset", "align", tmp_path / "broken", run, "--out", tmp_path / "out") == 1
    said = capsys.readouterr().out
    assert "2 clips of 1 runs" in said and "left out: " in said and "broken" in said
    assert vipa("dataset", "align", tmp_path / "broken", "--out", tmp_path / "none") == 2
    assert not (tmp_path / "none").exists() and "broken" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, why",
    [
        (["{run}"], "want --out"),
        (["{run}", "--count", "3", "--out", "{out}"], "--count is of scenes"),
        (["{run}", "water_plant", "--out", "{out}"], "water_plant: no folder"),
        (["water_plant", "insert_flower"], "one task, or run folders"),
        (["watering"], "watering"),
    ],
)
def test_what_does_not_go_together_is_one_line(run, tmp_path, capsys, words, why):
    places = {"run": run, "out": tmp_path / "out"}
    assert vipa("dataset", "align", *(w.format(**places) for w in words)) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert why in line and not (tmp_path / "out").exists()
