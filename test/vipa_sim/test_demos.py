"""Demonstrations: recorded once, whole, with labels that lead where the expert went."""

import numpy as np

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
