"""The calibration file: it goes before the robot file, and what it says of others is refused; latencies shift what they are for."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.own_file import own
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.robot.lateness import command_ns, exposed_ns, hand_ahead

CALIBRATION = """robot: fr3_single
mounts:
  wrist: {parent: fr3_hand, position: [0.09, 0.01, 0.02], rpy: [-0.4, 0.0, 1.5], rms_px: 0.2, poses: 16, date: 2026-01-01}
camera_latency: {scene: 0.03}
command_latency: {arm: 0.04}
hand_latency: {arm: 0.14}
"""


def robot(tmp_path, text=CALIBRATION):
    (tmp_path / "cal.yaml").write_text(text.replace("date: 2026-01-01", "date: '2026-01-01'"), encoding="utf-8")
    return own(
        tmp_path, "fr3_single", ("name: fr3_single", "name: fr3_single\ncalibration: cal.yaml"), folder="config/robots"
    )


def test_it_goes_before_the_robot_file(tmp_path):
    found = load_robot(robot(tmp_path))
    cameras = {c.name: c for c in found.cameras}
    assert cameras["wrist"].position == [0.09, 0.01, 0.02] and cameras["wrist"].vertical_fov == 72.0
    assert cameras["scene"].latency == 0.03 and cameras["scene"].position == [1.30, -0.72, 0.92]
    assert found.groups[0].command_latency == 0.04 and found.groups[0].hand_latency == 0.14


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("robot: fr3_single", "robot: ur5e_single", "is of robot 'ur5e_single'"),
        ("wrist:", "rear:", "unknown camera of robot fr3_single 'rear'"),
        ("{arm: 0.04}", "{leg: 0.04}", "unknown group of robot fr3_single 'leg'"),
        ("scene: 0.03", "scene: 3.0", "allowed: -1 to 1"),
        ("scene: 0.03", "scene: .nan", "allowed: -1 to 1"),
        ("[0.09, 0.01, 0.02]", "[0.09, 0.01]", "three numbers"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, old, new, said):
    path = robot(tmp_path, CALIBRATION.replace(old, new))
    with pytest.raises(VipaError, match=said):
        load_robot(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    path = own(
        tmp_path, "fr3_single", ("name: fr3_single", "name: fr3_single\ncalibration: no.yaml"), folder="config/robots"
    )
    with pytest.raises(VipaError, match=r"no\.yaml"):
        load_robot(path)


def test_latencies_shift_what_they_are_for(tmp_path):
    found = load_robot(robot(tmp_path))
    assert exposed_ns(found, "scene", 1_000_000_000) == 970_000_000 and exposed_ns(found, "wrist", 5) == 5
    group = found.groups[0]
    assert command_ns(group) == 40_000_000
    steps = np.array([[1.0], [1.0], [0.0], [0.0], [0.0]])
    ahead = hand_ahead(group, steps, 0.1)  # the hand is 0.1 s later than the arm: a step earlier
    assert np.allclose(ahead, [[1.0], [0.0], [0.0], [0.0], [0.0]])
    assert np.array_equal(hand_ahead(replace(group, hand_latency=0.04), steps, 0.1), steps)
