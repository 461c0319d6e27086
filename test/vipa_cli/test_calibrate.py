"""`vipa calibrate` from bags: a result that the robot file takes, latencies, and refusals that say what is missing."""

import json

import numpy as np
import pytest

from helpers.board_cell import BoardCell
from helpers.own_file import own
from helpers.synthetic_bag import START_NS, Messages
from vipa.calibration import hand_eye
from vipa.calibration.latency import pattern
from vipa.recording.bag import BagWriter
from vipa.recording.metadata import Qos
from vipa.robot import calibrated
from vipa.robot.cameras import CameraPoses
from vipa.robot.description import load_robot
from vipa_cli import cli

JOINTS = (*(f"fr3_joint{k}" for k in range(1, 8)), "fr3_finger_joint1")


def vipa(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        cli.main(["calibrate", *map(str, words)])
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


class Bag:
    """Joint states, pictures and commands as a cell publishes them."""

    def __init__(self, folder):
        self.m, self.bag = Messages(), BagWriter(folder, {})
        reliable = (Qos(),)
        base = "/camera/wrist/color"
        self.topics = {
            "joints": self.bag.add_topic("/joint_states", "sensor_msgs/msg/JointState", reliable),
            "color": self.bag.add_topic(f"{base}/image_raw", "sensor_msgs/msg/Image", reliable),
            "info": self.bag.add_topic(f"{base}/camera_info", "sensor_msgs/msg/CameraInfo", reliable),
            "command": self.bag.add_topic(
                "/arm_controller/joint_trajectory", "trajectory_msgs/msg/JointTrajectory", reliable
            ),
        }

    def put(self, name, ns, message):
        while not self.bag.write(self.topics[name], ns, ns, self.m.serialize(message)):
            self.bag.flush()

    def joints(self, ns, q, v):
        m = self.m
        self.put(
            "joints",
            ns,
            m(
                "sensor_msgs/msg/JointState",
                header=m.header(ns),
                name=list(JOINTS),
                position=np.array([*q, 0.04]),
                velocity=np.array([*v, 0.0]),
            ),
        )

    def info(self, ns, k, size):
        m = self.m
        self.put(
            "info",
            ns,
            m(
                "sensor_msgs/msg/CameraInfo",
                header=m.header(ns),
                width=size[0],
                height=size[1],
                k=np.asarray(k, float).ravel(),
                d=np.zeros(5),
            ),
        )

    def picture(self, ns, picture):
        self.put("color", ns, self.m.image(ns, picture, "wrist_color_optical_frame"))

    def command(self, ns, q):
        m = self.m
        point = m("trajectory_msgs/msg/JointTrajectoryPoint", positions=np.asarray(q, float))
        self.put(
            "command",
            ns,
            m(
                "trajectory_msgs/msg/JointTrajectory",
                header=m.header(ns, str(ns)),
                joint_names=list(JOINTS[:7]),
                points=[point],
            ),
        )

    def __enter__(self):
        self.bag.__enter__()
        return self

    def __exit__(self, *error):
        self.bag.__exit__(*error)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """(a bag in which the arm showed the wrist camera the board from twelve sides, the cell)."""
    folder = tmp_path_factory.mktemp("bags") / "poses"
    cell, ns = BoardCell("wrist", 5), START_NS
    with Bag(folder) as bag:
        bag.info(ns, cell.camera.k, cell.camera.size)
        for number, q in enumerate(cell.poses(12)):
            for k in range(50):
                ns += 20_000_000
                bag.joints(ns, cell.measured(q), np.full(7, 0.3 if k < 20 else 0.0))
            bag.picture(ns, cell.picture(q, number))
    yield folder, cell
    cell.close()


def test_hand_eye_from_a_bag(recorded, tmp_path, capsys):
    folder, cell = recorded
    status, out, err = vipa(capsys, "hand-eye", "wrist", folder, "--out", tmp_path / "c", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["verdict"] in ("good", "usable") and len(found["poses"]) >= 8
    assert "verdict: good" in err and "static_transform_publisher" in err and "worst: pose" in err
    path = own(
        tmp_path,
        "fr3_single",
        ("name: fr3_single", "name: fr3_single\ncalibration: c/calibration.yaml"),
        folder="config/robots",
    )
    robot = load_robot(path)
    q = np.array(robot.groups[0].home)
    tool = cell.arm.base.homogeneous @ cell.arm.placement(q).homogeneous
    off = hand_eye.apart(CameraPoses(robot).extrinsics("wrist", q), tool @ cell.truth)
    assert off[0] <= 2.0 and off[1] <= 0.3, off


def test_what_a_bag_does_not_show_is_refused(recorded, tmp_path, capsys):
    folder, _ = recorded
    out = tmp_path / "c"
    for words, said in (
        (("hand-eye", "scene", folder), "no /camera/scene/color/camera_info; record it"),
        (
            ("hand-eye", "wrist", folder, "--board", "7x5,0.03,0.022,DICT_6X6_250"),
            "0 poses with the board; wanted: 8 or more",
        ),
        (("hand-eye", "nope", folder), "unknown camera of robot fr3_single 'nope'"),
        (("hand-eye", "wrist", folder, "--board", "7x5"), "allowed: COLUMNSxROWS"),
        (("hand-eye", "wrist", tmp_path / "no"), "no such folder"),
        (
            ("camera", "wrist", folder, "--board", "9x6,0.03,0.022,DICT_5X5_100"),
            "pictures with the board; wanted: 8 or more",
        ),
    ):
        status, _, err = vipa(capsys, *words, "--out", out)
        assert status == 2 and said in err, (words, err)
    status, _, err = vipa(capsys, "hand-eye", "wrist", folder, "--board", "7x5,0.036,0.0264", "--out", out)
    assert status == 1 and "squares seem to measure 0.8" in err + _, err
    assert not out.exists()


def test_latency_from_a_bag(tmp_path, capsys):
    """An arm 40 ms behind its commands, a camera whose stamps are 30 ms late."""
    rng, home = np.random.default_rng(0), np.array([0.0, -0.6, 0.0, -2.3, 0.0, 1.7, 0.785])
    times = np.arange(0, 10, 0.01)
    swing = pattern(times - 1.0, 0.12, 8.0)
    with Bag(tmp_path / "swing") as bag:
        for k, t in enumerate(times):
            ns = START_NS + round(t * 1e9)
            bag.command(ns, home + np.eye(7)[5] * swing[k])
            bag.joints(ns, home + np.eye(7)[5] * np.interp(t - 0.04, times, swing), np.zeros(7))
            if k % 4 == 0:
                edge = 80 + 200 * np.interp(t - 0.04 - 0.03, times, swing)
                row = 120 + 80 / (1 + np.exp(-(np.arange(160) - edge) / 3))
                picture = np.clip(row[None, :, None] + rng.normal(0, 3, (120, 160, 1)), 0, 255).astype(np.uint8)
                bag.picture(ns, np.repeat(picture, 3, 2))
    status, out, err = vipa(capsys, "latency", "wrist", tmp_path / "swing", "--out", tmp_path / "c", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["command"]["arm"]["seconds"] == pytest.approx(0.04, abs=0.004)
    assert found["camera"]["wrist"]["seconds"] == pytest.approx(0.03, abs=0.006)
    kept = calibrated.load(tmp_path / "c/calibration.yaml")
    assert kept.camera_latency["wrist"] == pytest.approx(0.03, abs=0.006)


def test_another_robots_calibration_is_refused(tmp_path, capsys):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/calibration.yaml").write_text("robot: ur5e_single\n", encoding="utf-8")
    status, _, err = vipa(capsys, "latency", "wrist", tmp_path / "no", "--out", tmp_path / "c")
    assert status == 2 and "is of robot 'ur5e_single'; allowed: fr3_single" in err


def test_the_board_is_printed_at_its_size(tmp_path, capsys):
    status, out, _ = vipa(capsys, "board", "--out", tmp_path / "board.png", "--json")
    assert status == 0
    assert json.loads(out)["width_m"] == pytest.approx(0.21)
    from PIL import Image

    with Image.open(tmp_path / "board.png") as picture:
        assert picture.width == pytest.approx(0.21 / 0.0254 * 300, abs=1) and round(picture.info["dpi"][0]) == 300
