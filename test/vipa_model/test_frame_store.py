"""The frame store: written whole, packed once, refused when wrong."""

import numpy as np
import pytest

from helpers.synthetic_frames import episode, make_store
from vipa_model.configuration_vipa import GroupConfig
from vipa_model.data.frame_store import FrameStore, FrameStoreWriter


def test_packs_and_repacks(tmp_path):
    store = make_store(tmp_path, 2, 16, 5)
    assert len(store) == 10 and store.starts.tolist() == [0, 5, 10] and store.episode.tolist() == [0] * 5 + [1] * 5
    assert store.arrays["images"].shape == (10, 2, 16, 16, 3) and store.instructions[1] == "reach the ball"
    writer = FrameStoreWriter(tmp_path, ["scene", "wrist"], 16, [GroupConfig()], ["reach", "grasp"])
    assert writer.has("ep_0001") and not writer.has("ep_0009")
    arrays = episode(np.random.default_rng(9), 16, 4)
    labels = {
        "label_pose": np.tile(arrays["commanded_tool_pose"][:, None], (1, 8, 1)),
        "label_hand": np.zeros((4, 8, 1)),
        "tip": np.full((4, 3), 0.5),
    }
    writer.add("ep_0009", arrays | labels, "reach the ball")
    again = FrameStore(tmp_path)
    assert store.arrays["images"].any() and len(list((tmp_path / "packed").glob("*/"))) == 1
    assert len(again) == 14 and again.meta[0] == {"seed": 0}
    assert "tip" not in store.arrays
    for name in ("label_pose", "tip"):  # what an episode may lack
        assert np.isnan(again.arrays[name][:10]).all() and np.isfinite(again.arrays[name][10:]).all()


def test_a_heads_joints_have_labels_too(tmp_path):
    writer = FrameStoreWriter(tmp_path, ["scene", "wrist"], 16, [GroupConfig()], [], heads={"head": 2})
    arrays = episode(np.random.default_rng(1), 16, 4) | {"subtask": np.full(4, -1)}
    head = {"head": np.zeros((4, 2)), "commanded_head": np.ones((4, 2)), "label_head": np.full((4, 8, 2), 0.5)}
    head |= {"label_pose": np.ones((4, 8, 7)), "label_hand": np.zeros((4, 8, 1))}
    writer.add("with", arrays | head, "look")
    store = FrameStore(tmp_path)
    assert store.header["heads"] == [{"name": "head", "joints": 2}]
    for name, value in head.items():
        assert np.array_equal(store.arrays[name], value)
    with pytest.raises(ValueError, match=r"head has shape \(4, 3\); allowed: \(4, 2\)"):
        writer.add("wrong", arrays | head | {"head": np.zeros((4, 3))}, "look")


def test_wrong_arrays_are_named(tmp_path):
    writer = FrameStoreWriter(tmp_path, ["scene", "wrist"], 16, [GroupConfig()], [])
    arrays = episode(np.random.default_rng(0), 16, 3)
    with pytest.raises(ValueError, match="hand has shape .*allowed: \\(3, 1\\)"):
        writer.add("a", arrays | {"hand": np.zeros((3, 2))}, "x")
    with pytest.raises(ValueError, match="missing array.*'depth'"):
        writer.add("a", {k: v for k, v in arrays.items() if k != "depth"}, "x")
    with pytest.raises(ValueError, match="positions holds NaN"):
        writer.add("a", arrays | {"positions": np.full((3, 7), np.nan)}, "x")
    with pytest.raises(ValueError, match="subtask reaches 1; allowed: -1 to -1"):
        writer.add("a", arrays | {"subtask": np.array([-1, 0, 1])}, "x")
    with pytest.raises(ValueError, match="another store"):
        FrameStoreWriter(tmp_path, ["scene"], 16, [GroupConfig()], [])
    with pytest.raises(ValueError, match="no .npz episode"):
        FrameStore(tmp_path)
