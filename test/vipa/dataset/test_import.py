"""Others' LeRobot datasets, in the layouts they are published in, become ours: the same motions and pictures, in our conventions."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.spatial.transform import Rotation

from helpers.lerobot_folders import picture, write_lerobot
from vipa import config, documents, resources
from vipa.dataset.check import check
from vipa.dataset.import_mapping import ImportMapping, load_mapping
from vipa.dataset.import_others import import_dataset
from vipa.dataset.reader import Dataset
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.robot.kinematics import Kinematics
from vipa_cli import cli
from vipa_model.data.lerobot_import import import_lerobot

FRAMES = 12
K = np.arange(FRAMES)[:, None]


def libero_columns(state: str, action: str) -> dict:
    """A tool that goes along x and turns about z while its fingers close; told by steps."""
    position = np.array([0.4, 0.0, 0.3]) + K * [0.01, 0, 0]
    turned = Rotation.from_rotvec(K * [0, 0, 0.05]) * Rotation.from_rotvec([np.pi, 0, 0])
    finger = 0.04 - 0.03 * K / FRAMES
    steps = np.concatenate([np.tile([0.2, 0, 0, 0, 0, 0.1], (FRAMES, 1)), np.where(K < 6, -1.0, 1.0)], axis=1)
    return {state: np.concatenate([position, turned.as_rotvec(), finger, -finger], axis=1), action: steps}


def droid_columns() -> dict:
    q = np.array([0.0, -0.6, 0.0, -2.4, 0.0, 1.8, 0.7]) + 0.01 * K * np.ones(7)
    pose = np.concatenate([[0.5, 0.1, 0.2] + K * [0, 0.01, 0], np.tile([3.1, 0.02, -0.3], (FRAMES, 1))], axis=1)
    grip = K / FRAMES
    return {
        "observation.state.joint_position": q,
        "observation.state.cartesian_position": pose,
        "observation.state.gripper_position": grip,
        "action.cartesian_position": pose + [0, 0.01, 0, 0, 0, 0],
        "action.gripper_position": np.clip(grip + 0.1, 0, 1),
        "is_episode_successful": np.ones((FRAMES, 1)),
        "language_instruction": "",
        "language_instruction_2": "put the pen in the cup",
    }


def droid_openpi_columns() -> dict:
    q = np.array([0.0, -0.6, 0.0, -2.4, 0.0, 1.8, 0.7]) + 0.01 * K * np.ones(7)
    return {
        "joint_position": q,
        "gripper_position": K / FRAMES,
        "actions": np.concatenate([np.full((FRAMES, 7), 0.05), K / FRAMES], axis=1),
    }


SOURCES = {
    "libero_openpi": lambda: libero_columns("state", "actions"),
    "libero": lambda: libero_columns("observation.state", "action"),
    "droid": droid_columns,
    "droid_openpi": droid_openpi_columns,
}
FORMS = [
    ("libero_openpi", "v2.0"),
    ("libero_openpi", "v2.1"),
    ("libero", "v2.1"),
    ("libero", "v3.0"),
    ("droid", "v2.1"),
    ("droid", "v3.0"),
    ("droid_openpi", "v2.1"),
]


def source(tmp_path, name, version, count=2, **more):
    columns = SOURCES[name]()
    episodes = [{"columns": columns, "task": f"do it {k}"} for k in range(count)]
    return write_lerobot(tmp_path / name, name, version, episodes, 15 if "droid" in name else 10, **more)


@pytest.mark.parametrize("name, version", FORMS)
def test_each_published_layout_becomes_a_dataset_that_check_accepts(tmp_path, name, version):
    root, out = source(tmp_path, name, version), tmp_path / "set"
    mapping = load_mapping(name)
    result = import_dataset(root, mapping, out)
    assert len(result.added) == 2 and not result.failed
    assert check(out) == []
    dataset = Dataset(out)
    assert [e.key for e in dataset] == [f"{name}-000000", f"{name}-000001"] and dataset.lost == []
    for episode in dataset:
        assert len(episode) == FRAMES and episode.meta["success"]
        assert episode.instruction == ("put the pen in the cup" if name == "droid" else f"do it {episode.index}")
        for camera in dataset.spec.cameras:
            images = episode.images(camera.name)
            wanted = np.stack([picture(camera.height, camera.width, k) for k in range(FRAMES)])
            assert np.abs(images.astype(int) - wanted).mean() < 6  # encoded twice, where it was a video


def test_libero_poses_steps_and_fingers(tmp_path):
    import_dataset(source(tmp_path, "libero_openpi", "v2.0"), load_mapping("libero_openpi"), tmp_path / "set")
    dataset = Dataset(tmp_path / "set")
    episode = dataset.episode(0)
    assert dataset.spec.features["action"].names[-1] == "arm.hand"
    tool, told = episode["observation.tool_pose"], episode["action"]
    np.testing.assert_allclose(tool[:, 0], 0.4 + 0.01 * K[:, 0], atol=1e-6)
    turned = Rotation.from_rotvec(K * [0, 0, 0.05]) * Rotation.from_rotvec([np.pi, 0, 0])
    assert (Rotation.from_quat(tool[:, 3:]) * turned.inv()).magnitude().max() < 1e-6
    # 0.2 of 0.05 m along x, 0.1 of 0.5 rad about the base's z
    np.testing.assert_allclose(told[:, :3], tool[:, :3] + [0.01, 0, 0], atol=1e-6)
    by = Rotation.from_quat(told[:, 3:7]) * Rotation.from_quat(tool[:, 3:]).inv()
    np.testing.assert_allclose(by.as_rotvec(), np.tile([0, 0, 0.05], (FRAMES, 1)), atol=1e-6)
    np.testing.assert_allclose(
        episode["observation.state"].reshape(-1), (0.04 - 0.03 * K[:, 0] / FRAMES) / 0.04, atol=1e-6
    )
    np.testing.assert_array_equal(told[:, 7], np.where(K[:, 0] < 6, 1.0, 0.0))  # -1 opens, 1 closes
    np.testing.assert_allclose(episode["executed"][:-1, :7], tool[1:])
    np.testing.assert_allclose(episode["observation.commanded_tool_pose"][1:], told[:-1, :7])
    np.testing.assert_allclose(episode["observation.tool_velocity"], np.tile([0.1, 0, 0], (FRAMES, 1)), atol=1e-4)


def test_droid_euler_angles_and_gripper(tmp_path):
    import_dataset(source(tmp_path, "droid", "v3.0"), load_mapping("droid"), tmp_path / "set")
    episode = Dataset(tmp_path / "set").episode(1)
    columns = droid_columns()
    tool = episode["observation.tool_pose"]
    wanted = Rotation.from_euler("xyz", columns["observation.state.cartesian_position"][:, 3:])
    assert (Rotation.from_quat(tool[:, 3:]) * wanted.inv()).magnitude().max() < 1e-6
    state = episode["observation.state"]
    np.testing.assert_allclose(state[:, :7], columns["observation.state.joint_position"], rtol=1e-6)
    np.testing.assert_allclose(state[:, 7], 1 - K[:, 0] / FRAMES, atol=1e-6)  # 1 is closed there
    np.testing.assert_allclose(episode["action"][:, 1], tool[:, 1] + 0.01, atol=1e-6)


def test_poses_of_joints_are_the_robots_own(tmp_path):
    import_dataset(source(tmp_path, "droid_openpi", "v2.1"), load_mapping("droid_openpi"), tmp_path / "set")
    dataset = Dataset(tmp_path / "set")
    episode, arm = dataset.episode(0), Kinematics(load_robot("fr3_single")).group("arm")
    q = droid_openpi_columns()["joint_position"]
    assert dataset.spec.robot_type == "fr3_single" and dataset.spec.velocities
    for k in (0, 7):
        np.testing.assert_allclose(episode["observation.tool_pose"][k], arm.forward(q[k]), atol=1e-5)
        told = arm.forward(q[k] + 0.05 * 0.2)
        np.testing.assert_allclose(episode["action"][k, :3], told[:3], atol=1e-5)


def test_a_turned_camera_and_other_frames(tmp_path):
    """What a mapping says of frames and pictures is done, and taking it away shows."""
    root = source(tmp_path, "libero_openpi", "v2.1")
    data = documents.read_yaml(resources.root() / "config/imports/libero_openpi.yaml")
    half = [0.0, 0.0, 0.7071067811865476, 0.7071067811865476]
    data["cameras"]["scene"]["turn"] = 180
    data["arms"][0] |= {"frame": [1.0, 0.0, 0.0, *half], "tool": [0.0, 0.0, 0.1, *half]}
    import_dataset(root, config.build(data, ImportMapping, "turned"), tmp_path / "turned")
    import_dataset(root, load_mapping("libero_openpi"), tmp_path / "plain")
    turned, plain = (Dataset(tmp_path / n).episode(0) for n in ("turned", "plain"))
    for name in ("observation.tool_pose", "action"):
        p, t = plain[name], turned[name]
        there = p[:, :3] + Rotation.from_quat(p[:, 3:7]).apply([0, 0, 0.1])
        np.testing.assert_allclose(t[:, :3], np.stack([1 - there[:, 1], there[:, 0], there[:, 2]], 1), atol=1e-6)
    assert np.abs(turned.images("scene")[:, ::-1, ::-1].astype(int) - plain.images("scene")).mean() < 4
    assert np.abs(turned.images("scene").astype(int) - plain.images("scene")).mean() > 10
    assert check(tmp_path / "turned") == []


def test_an_import_goes_on_and_names_what_it_cannot_use(tmp_path):
    root, out = source(tmp_path, "libero", "v2.1", count=4), tmp_path / "set"
    video = root / "videos/chunk-000/observation.images.image/episode_000001.mp4"
    video.write_bytes(video.read_bytes()[:300])
    path = root / "data/chunk-000/episode_000002.parquet"
    table = pq.read_table(path).to_pylist()
    table[5]["observation.state"][2] = float("nan")
    pq.write_table(pq.read_table(path).from_pylist(table), path)
    first = import_dataset(root, load_mapping("libero"), out, [0, 1, 2])
    assert first.added == ["libero-000000"] and "episode_000001.mp4" in first.failed["libero-000001"]
    assert "observation.state is not finite in frame 5" in first.failed["libero-000002"]
    second = import_dataset(root, load_mapping("libero"), out, workers=2)
    assert second.added == ["libero-000003"] and second.there == 1 and len(second.failed) == 2
    assert check(out) == [] and [e.key for e in Dataset(out)] == ["libero-000000", "libero-000003"]


def test_nothing_is_left_where_nothing_can_be_used(tmp_path):
    root = source(tmp_path, "libero", "v3.0")
    for video in root.glob("videos/observation.images.wrist_image/*/*.mp4"):
        video.write_bytes(b"no video")
    with pytest.raises(VipaError, match="file-000.mp4"):
        import_dataset(root, load_mapping("libero"), tmp_path / "set")
    shutil.rmtree(root / "data")
    with pytest.raises(VipaError):
        import_dataset(root, load_mapping("libero"), tmp_path / "set")
    assert not (tmp_path / "set").exists()


HOSTILE = [
    ({"codebase_version": "v1.6"}, "codebase_version v1.6; allowed: v2.0, v2.1, v3.0"),
    ({"fps": float("inf")}, "a finite number"),
    ({"fps": 0}, "fps 0; allowed"),
    ({"features": 3}, "features is no mapping"),
    ({"video_path": "../{video_key}/{episode_index}.mp4"}, "leads out of the dataset"),
    ({"video_path": "{episode_index.__class__.__mro__}"}, "video_path|leads|No such"),
    ({"data_path": "{nothing}"}, "data_path"),
    ({"chunks_size": 0}, "chunks_size 0"),
    ({"vipa": {}}, "is a dataset of ours already"),
]


@pytest.mark.parametrize("change, said", HOSTILE)
def test_a_hostile_info_is_refused_in_one_line(tmp_path, change, said):
    root = source(tmp_path, "libero", "v2.1")
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), encoding="utf-8")
    with pytest.raises(VipaError, match=said):
        import_dataset(root, load_mapping("libero"), tmp_path / "set")
    assert not (tmp_path / "set").exists()


BAD_MAPPINGS = [
    (lambda d: d["cameras"]["scene"].update(column="front"), "no camera front; allowed: observation.images.image"),
    (lambda d: d["arms"][0]["tool_pose"].update(elements=[0, 1, 2, 3, 4, 9]), "has no element 9; allowed: 0 to 7"),
    (lambda d: d["arms"][0]["tool_pose"].update(elements=[0, 1, 2]), "3 elements; allowed: 6"),
    (lambda d: d["arms"][0]["tool_pose"].update(column="pose"), "no column pose"),
    (lambda d: d["arms"][0]["hand"].update(closed=0.04), "closed and open are both 0.04"),
    (lambda d: d["arms"][0].update(frame=[0, 0, 0, 0, 0, 0, 2]), "of norm 1"),
    (lambda d: d["arms"][0]["action"].update(kind="joints"), "no joints; allowed"),
    (lambda d: d.pop("robot_type"), "neither robot nor robot_type"),
    (lambda d: d.update(robot="fr3_single"), "allowed: a mapping with joints"),
    (lambda d: d.update(gripper=1), "unknown key.* gripper"),
]


@pytest.mark.parametrize("change, said", BAD_MAPPINGS)
def test_a_mapping_that_does_not_fit_is_refused(tmp_path, change, said):
    root = source(tmp_path, "libero", "v2.1", count=1)
    data = documents.read_yaml(resources.root() / "config/imports/libero.yaml")
    change(data)
    with pytest.raises(VipaError, match=said):
        import_dataset(root, config.build(data, ImportMapping, "mapping"), tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_the_command(tmp_path, capsys):
    root = source(tmp_path, "droid", "v2.1", count=3)
    with pytest.raises(SystemExit) as ended:
        cli.main(
            ["dataset", "import", str(root), "droid", "--out", str(tmp_path / "set"), "--episodes", "1:", "--json"]
        )
    assert ended.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["added"] == ["droid-000001", "droid-000002"] and said["failed"] == {}
    with pytest.raises(SystemExit) as ended:
        cli.main(["dataset", "import", str(root), "droids", "--out", str(tmp_path / "set")])
    assert (
        ended.value.code == 2
        and "unknown mapping 'droids' (did you mean 'droid'?); allowed: droid, " in capsys.readouterr().err
    )


@pytest.mark.parametrize("name, version, joints", [("libero", "v3.0", 0), ("droid", "v2.1", 7)])
def test_training_takes_what_was_imported(tmp_path, name, version, joints):
    import_dataset(source(tmp_path, name, version), load_mapping(name), tmp_path / "set")
    store, dataset = import_lerobot(tmp_path / "set", tmp_path / "frames", 32), Dataset(tmp_path / "set")
    assert len(store) == 2 * FRAMES and [(g.name, g.hand, g.joints) for g in store.groups] == [("arm", 1, joints)]
    whole = np.concatenate([e["observation.tool_pose"] for e in dataset])
    np.testing.assert_allclose(store.arrays["tool_pose"], whole, atol=1e-6)
    assert np.isnan(store.arrays["target"]).all() and store.arrays["images"].shape[1] == len(dataset.spec.cameras)
