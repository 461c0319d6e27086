"""A dataset written by our writer becomes a FrameStore with the same content."""

import numpy as np
import pytest

from helpers.synthetic_frames import look_at, render
from vipa.dataset import spec
from vipa.dataset import writer as writing
from vipa_model.data.lerobot_import import import_lerobot
from vipa_model.processing.images import Crop, lift_depth
from vipa_model.processing.rotations import quat_to_matrix

POSE = [f"arm.{n}" for n in ("x", "y", "z", "qx", "qy", "qz", "qw")]
BASE = np.array([0.2, -0.1, 0.7, 0, 0, np.sin(0.3), np.cos(0.3)])
SIZE, BALL = 64, np.array([0.5, 0.0, 0.04])


@pytest.fixture
def dataset(tmp_path):
    """Two episodes of 4 and 3 frames, one camera with depth and one without; base frame turned against the world."""

    def named(*names, dtype="float32"):
        return spec.Feature(dtype, tuple(names))

    cameras = (spec.CameraSpec("scene", SIZE, SIZE), spec.CameraSpec("wrist", SIZE, SIZE, depth=False))
    features = {
        "observation.state": named(*(f"arm.j{i}" for i in range(7)), "arm.finger"),
        "observation.tool_pose": named(*POSE),
        "observation.tool_velocity": named("arm.vx", "arm.vy", "arm.vz"),
        "observation.commanded_tool_pose": named(*POSE),
        "observation.stamp_ns": named("joint_states", "scene", "wrist", dtype="int64"),
        "action": named(*POSE, "arm.finger"),
        "subtask_index": named("subtask_index", dtype="int64"),
        "target": named("x", "y", "z"),
    }
    for camera in cameras:
        features[f"observation.intrinsics.{camera.name}"] = named(*(f"k{i}" for i in range(9)))
        features[f"observation.extrinsics.{camera.name}"] = named(*(f"t{i}" for i in range(16)))
    group = {"name": "arm", "kind": "arm", "hand_joints": ["finger"]}
    group |= {"joints": [f"j{i}" for i in range(7)], "base_in_world": BASE.tolist()}
    head = {"name": "head", "kind": "joints", "joints": ["pan"], "hand_joints": [], "base_in_world": BASE.tolist()}
    out = writing.DatasetWriter(tmp_path / "set", spec.DatasetSpec("arm", 10, cameras, features, [group, head]))
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = quat_to_matrix(BASE[3:]), BASE[:3]
    k = np.array([[58.0, 0, 31.5], [0, 58, 31.5], [0, 0, 1]])
    pose = look_at(np.array([1.1, 0.3, 0.6]), np.array([0.5, 0, 0]))
    image, depth = render(pose, k, SIZE, BALL)
    for name, length in (("a", 4), ("b", 3)):
        for t in range(length):
            tool = np.array([0.1 * t, 0, 0.3, 1, 0, 0, 0])
            frame = {
                "observation.images.scene": image, "observation.images.wrist": image, "observation.depth.scene": depth,
                "observation.state": [*range(7), 0.1 * t], "observation.tool_pose": tool,
                "observation.tool_velocity": [0.1, 0, t],
                "observation.commanded_tool_pose": tool + [0, 0.01, 0, 0, 0, 0, 0],
                "observation.stamp_ns": [t * 10**8 + 7, 0, 0], "action": [*tool, 0.5 + 0.1 * t],
                "subtask_index": [0], "target": BALL,
            }  # fmt: skip
            for camera in ("scene", "wrist"):
                frame[f"observation.intrinsics.{camera}"] = k.reshape(-1)
                frame[f"observation.extrinsics.{camera}"] = (world @ pose).reshape(-1)
            out.add_frame(frame, name)
        out.save_episode("reach the ball", ["reach"], {"seed": 3})
    out.finalize()
    return tmp_path / "set"


def test_content_survives(dataset, tmp_path):
    store = import_lerobot(dataset, tmp_path / "frames", 32, {"scene": Crop(0, 0.25, 1, 1)})
    a = store.arrays
    assert len(store) == 7 and store.cameras == ["scene", "wrist"] and store.subtasks == ["reach"]
    assert [g.name for g in store.groups] == ["arm"] and store.meta[1]["seed"] == 3
    np.testing.assert_allclose(a["tool_pose"][:4, 0], [0, 0.1, 0.2, 0.3], atol=1e-6)
    np.testing.assert_allclose(a["tool_velocity"][:4, 2], [0, 1, 2, 3], atol=1e-6)
    np.testing.assert_allclose(a["commanded_tool_pose"][4, :2], [0, 0.01], atol=1e-6)
    np.testing.assert_allclose(a["commanded_hand"][:4, 0], [0, 0.5, 0.6, 0.7], atol=1e-6)
    np.testing.assert_array_equal(a["stamps"][:4], np.arange(4) * 10**8 + 7)
    points = lift_depth(np.asarray(a["depth"][5]), a["intrinsics"][5], a["extrinsics"][5])
    valid = points[0, ..., 3] > 0
    on_table = np.abs(points[0, ..., 2]) < 0.005
    on_ball = np.abs(np.linalg.norm(points[0, ..., :3] - BALL, axis=-1) - 0.04) < 0.008
    assert (on_table | on_ball)[valid].mean() > 0.97 and on_ball.sum() > 3
    assert not points[1].any()
    assert np.abs(a["images"][0, 0, -4:].astype(int) - [120, 130, 140]).mean() < 12


def test_resumes_and_refuses(dataset, tmp_path):
    import_lerobot(dataset, tmp_path / "frames", 32)
    (tmp_path / "frames/episodes/000001.npz").unlink()
    assert len(import_lerobot(dataset, tmp_path / "frames", 32)) == 7
    info = dataset / "meta/info.json"
    info.write_text(info.read_text(encoding="utf-8").replace("v3.0", "v2.1"), encoding="utf-8")
    with pytest.raises(ValueError, match="allowed: v3.0"):
        import_lerobot(dataset, tmp_path / "other", 32)
