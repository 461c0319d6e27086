"""Alignment data: arrangements that are where they say, questions whose answers are true of the pictures, folders that resume."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from helpers.arrangements import arrangements
from vipa.errors import VipaError
from vipa.geometry import poses
from vipa.geometry.camera_turn import turn_words
from vipa.tasks.task import load_task
from vipa_model.processing.directions import direction_words, directions, read_answer, robot_view, score
from vipa_model.processing.images import lift_depth
from vipa_sim.alignment import questions, records, scenes
from vipa_sim.alignment.questions import STEPS, Still, trajectory
from vipa_sim.alignment.things import Thing, vocabulary


@pytest.fixture(scope="module")
def drawn():
    """(vocabulary, 40 arrangements of Water-Plant)."""
    with arrangements("water_plant", 8, 5) as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of 8 scenes."""
    out = tmp_path_factory.mktemp("align")
    config = scenes.SceneConfig("water_plant", per_seed=4, image_size=64)
    assert sum(scenes.collect(config, out, range(3, 5))) == 8
    return config, out


def still_of(words, scene):
    points = np.stack([t.point(scene.bodies) for t in words.things])
    extrinsics = np.stack([f.extrinsics for f in scene.frames.values()])
    return Still(scene.tool, points, scene.bodies, scene.held, extrinsics)


def test_cameras_hands_and_colours_are_drawn_anew(drawn):
    _, found = drawn
    places = np.array([s.frames["scene"].extrinsics[:3, 3] for s in found])
    assert (places.std(0) > 0.04).all()
    assert np.ptp([s.tool[:3] for s in found], axis=0).min() > 0.2
    assert len({s.place for s in found}) >= 4
    corner = np.array([s.frames["scene"].color[-20:, -60:].mean((0, 1)) for s in found[::5]])
    assert (corner.std(0) > 10).any()


def test_what_is_held_is_in_the_hand_and_the_rest_where_it_stood(drawn):
    words, found = drawn
    held = [s for s in found if s.held]
    assert held
    for scene in held:
        grasp = words.thing("watering can").point(scene.bodies)
        assert np.linalg.norm(grasp - scene.tool[:3]) < 0.03
    others = [s for s in found if not s.held]
    assert all(abs(s.bodies["can"][2]) < 2e-3 for s in others)


def test_the_pictures_show_things_where_they_are_said_to_be(drawn):
    """The plant's leaves in the scene camera: measured points near the point that answers speak of."""
    words, found = drawn
    seen = 0
    for scene in found:
        frame = scene.frames["scene"]
        points = lift_depth(frame.depth, frame.intrinsics, frame.extrinsics)
        points = points[..., :3][points[..., 3] > 0]
        away = np.linalg.norm(points - words.thing("plant").point(scene.bodies), axis=-1)
        seen += away.min() < 0.05
    assert seen > 0.8 * len(found)


def test_answers_are_the_displacements_in_the_robots_view(drawn):
    words, found = drawn
    rng = np.random.default_rng(0)
    for scene in found:
        still = still_of(words, scene)
        for record in questions.visual(words, still, rng):
            assert direction_words(record["vector"]) == record["answer"]
            if record["question"].startswith("Where is the plant in relation to the gripper"):
                x, y, z = words.thing("plant").point(scene.bodies) - scene.tool[:3]
                assert np.allclose(record["vector"], [-y, -z, x], atol=1e-4)  # right, down, forward


def test_motions_end_at_their_goal(drawn):
    words, found = drawn
    for scene in found:
        still = still_of(words, scene)
        for motion in (m for m in words.motions if m.held == still.held):
            way = trajectory(words, motion, still)
            position, _ = words.goal(motion, still.tool, still.bodies)
            assert way.shape == (STEPS, 3)
            assert np.allclose(way[-1], robot_view(position))


def test_a_record_says_what_else_could_be_told_there_about_something_elsewhere():
    bodies = {
        n: np.array([0.4, 0.15 * i, 0.0, 0, 0, 0, 1]) for i, n in enumerate(("apple", "banana", "plum", "drawer"))
    }
    bodies["drawer_handle"] = bodies["drawer"]
    words = vocabulary(load_task("put_three_obj"), tuple(bodies))
    still = Still(poses.pose([0.5, 0.0, 0.4], [0, 0, 0, 1]), np.zeros((5, 3)), bodies, "", np.zeros((1, 4, 4)))
    for seed in range(10):
        (record,) = questions.action(words, still, np.random.default_rng(seed))
        told = [record["target"], *(other["target"] for other in record["others"])]
        assert len(told) == 4 and len({tuple(t) for t in told}) == 4
        for other in record["others"]:
            (goal,) = {m.goal for m in words.motions if m.words == other["instruction"] and not m.held}
            assert np.allclose(other["target"], bodies[words.thing(goal).body][:3])


def test_a_carried_can_aims_where_the_expert_would(drawn):
    """Carried out, the goal of `locate plant` points the nozzle level at the leaves."""
    words, found = drawn
    motion = next(m for m in words.motions if m.aims)
    for scene in (s for s in found if s.held):
        position, turn = words.goal(motion, scene.tool, scene.bodies)
        turned = Rotation.from_euler("z", turn) * Rotation.from_quat(scene.tool[3:])
        tool = poses.pose(position, turned.as_quat())
        nozzle = poses.compose(tool, poses.compose(poses.inverse(scene.tool), scene.bodies["can_nozzle"]))
        ahead, aside, _ = poses.transform(poses.inverse(nozzle), words.thing("plant").point(scene.bodies))
        assert 0.1 < ahead < 0.3
        assert abs(aside) < 0.02


def test_records_resume_and_repeat(folder):
    config, out = folder
    report = records.write(out)
    first = (out / "visual.jsonl").read_text(encoding="utf-8")
    assert report["scenes"] == 8
    assert list(scenes.collect(config, out, range(3, 5))) == [8]
    records.write(out)
    assert (out / "visual.jsonl").read_text(encoding="utf-8") == first
    assert "task_completion" in records.table(report)
    with pytest.raises(VipaError, match="image_size"):
        list(scenes.collect(dataclasses.replace(config, image_size=32), out, range(3, 5)))
    with pytest.raises(VipaError, match="allowed: scene, wrist"):
        list(scenes.collect(dataclasses.replace(config, crops={"left": [0, 0, 1, 1]}), out / "other", range(1)))


def test_records_are_of_the_schema(folder):
    _, out = folder
    records.write(out)
    for name in ("visual.jsonl", "action.jsonl"):
        rows = [json.loads(line) for line in (out / name).read_text(encoding="utf-8").splitlines()]
        assert rows
        for row in rows:
            assert len(row["images"]) == len(row["depths"]) == len(row["intrinsics"]) == len(row["extrinsics"]) == 2
            assert all((out / p.split("#")[0]).is_file() for p in row["images"])


def test_a_task_without_words_of_its_own_is_asked_about_by_its_bodies():
    task = dataclasses.replace(load_task("water_plant"), scene="some_other")
    words = vocabulary(task, ("red_mug", "plate"))
    assert words.things == (Thing("red mug", "red_mug"), Thing("plate", "plate"))
    assert [m.words for m in words.motions] == ["reach for the red mug", "reach for the plate"]


def test_directions_and_scores():
    assert direction_words([-0.25, 0.25, 0.26]) == "left and down and forward, 0.44m"
    assert direction_words([0.2, 0.0, -0.07]) == "right and backward, 0.21m"
    signs, metres = read_answer("left and down and forward, 0.44m")
    assert signs.tolist() == [-1, 1, 1]
    assert metres == 0.44
    assert score("left and up, 0.30m", [-0.25, 0.25, 0.26]) == (pytest.approx(0.1387, abs=1e-3), 1)
    assert score("nonsense", [0.3, 0.0, 0.0]) == (pytest.approx(0.3), 2)
    assert directions(np.zeros(3)).tolist() == [0, 0, 0]
    assert robot_view([0.5, 0.1, 0.3]).tolist() == pytest.approx([-0.1, 0.1, 0.5])


def test_camera_turns_are_said_as_they_are():
    right = Rotation.from_euler("y", 5, degrees=True).as_matrix()  # about the optical frame's down axis
    assert turn_words(np.eye(3), right) == "right, 5.000 degrees"
    assert turn_words(right, np.eye(3)) == "left, 5.000 degrees"
    up = Rotation.from_euler("x", 3, degrees=True).as_matrix()
    assert turn_words(np.eye(3), up) == "up, 3.000 degrees"
