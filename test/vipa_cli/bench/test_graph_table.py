"""What `vipa bench graph` makes of its measurements."""

import subprocess
import sys

import numpy as np
import pytest

from helpers.synthetic_bag import Messages
from vipa.errors import VipaError
from vipa.recording.bag import BagWriter
from vipa_cli.bench import graph
from vipa_cli.bench.graph import Case, Row


def test_a_line_tells_the_worst_of_its_seeds():
    rows = [Row(Case("water_plant", "water_plant", 1, 2), "success", ("done",), 20.0, (80.0, 140.0), 0, 1.1),
            Row(Case("water_plant", "water_plant", 2, 2), "timeout", ("failed",), 30.0, (90.0, None), 3, 1.6)]  # fmt: skip
    assert graph.table(rows)[2:] == ["| water_plant, water_plant | 2 | 1 of 2 | 30 | 90 / 140 | 3 | 1.60 |"]


def test_every_load_is_run_with_every_seed_and_with_cameras():
    cases = graph.cases([3, 4], [0, 2])
    assert len(cases) == len(set(cases)) == 2 * 2 * 2 + 2
    assert [c.load for c in cases if c.cameras] == [0, 2]


def bag(folder, numbers):
    m, kind, topic = Messages(), "sensor_msgs/msg/Image", "/camera/scene/color/image_raw"
    with BagWriter(folder) as writer:
        number = writer.add_topic(topic, kind)
        for i in numbers:
            data = np.frombuffer(i.to_bytes(4, "little") + b"\0\0", np.uint8)
            writer.write(number, i, i, m.serialize(m(kind, width=2, height=1, step=6, encoding="rgb8", data=data)))
    return folder


def test_frames_that_a_bag_lacks_are_counted(tmp_path):
    assert graph.missing_frames(bag(tmp_path / "whole", [300, 301, 302])) == 0
    assert graph.missing_frames(bag(tmp_path / "holes", [300, 302, 303, 306])) == 3
    with pytest.raises(VipaError, match="1 frames of /camera/scene/color/image_raw"):
        graph.missing_frames(bag(tmp_path / "one", [300]))


def test_busy_loops_end_with_what_they_are_beside(monkeypatch):
    started = []
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda line: started.append(real([*line])) or started[-1])
    with pytest.raises(ZeroDivisionError), graph.busy(2):
        assert len(started) == 2 and started[0].args[0] == sys.executable and all(p.poll() is None for p in started)
        raise ZeroDivisionError
    assert all(p.poll() is not None for p in started)
