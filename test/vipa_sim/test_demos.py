"""Demonstrations: recorded once, whole, with labels that lead where the expert went."""

import numpy as np
import pytest

from vipa_model.data.frame_store import FrameStore
from vipa_sim.demos import Collector, DemoConfig


def test_a_demonstration_is_recorded_once_and_its_labels_lead_ahead(tmp_path):
    config = DemoConfig(
        "water_plant", str(tmp_path / "demos"), noise=0.0, image_size=64, crops={"scene": [0.25, 0.18, 0.84, 0.97]}
    )
    collector = Collector(config)
    try:
        seed, kept, text = collector.record(1_000_001)
        assert kept, text
        assert collector.record(seed)[1:] == (True, "already there")
    finally:
        collector.loop.close()
    store = FrameStore(config.out)
    data, count = store.arrays, len(store)
    assert store.subtasks == ["pick up watering can", "locate plant", "press spray handle"]
    assert data["images"].shape == (count, 2, 64, 64, 3) and data["images"].std() > 10
    assert np.all(np.diff(data["stamps"]) == 100_000_000)
    assert set(np.unique(data["subtask"])) >= {0, 1, 2}
    assert (
        0.05 < np.linalg.norm((data["tip"] - data["target"])[0, :2]) < 0.3
    )  # how far the can's nozzle is from its middle
    # without disturbances the label of a frame is where the command is a step later
    error = np.linalg.norm(data["label_pose"][:-1, 0, :3] - data["commanded_tool_pose"][1:, :3], axis=1)
    assert np.median(error) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("task", ["wipe_board", "insert_flower"])
def test_demonstrations_of_the_other_tasks(tmp_path, task):
    """Disturbed, and of a head what it did and was to do."""
    config = DemoConfig(task, str(tmp_path / task), noise=0.01, image_size=32)
    collector = Collector(config)
    try:
        assert any(collector.record(seed)[1] for seed in (1_000_001, 1_000_002))
    finally:
        collector.loop.close()
    store = FrameStore(config.out)
    arms = 2 if task == "insert_flower" else 1
    assert store.arrays["label_pose"].shape == (len(store), 16, 7 * arms)
    assert ("label_head" in store.arrays) == (task == "insert_flower")
    if task == "insert_flower":
        head, said = store.arrays["commanded_head"], store.arrays["label_head"]
        assert head.shape == (len(store), 2) and np.ptp(head, axis=0).max() > 0.2  # it turns to look
        assert np.median(np.abs(said[:-1, 0] - head[1:])) < 0.02  # where it is sent to a step later
