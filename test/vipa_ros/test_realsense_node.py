"""The realsense node on software cameras: topics, stamps, unplugging, slow, frozen, dark and lost streams, two cameras."""

import numpy as np
import pytest

pytest.importorskip("rclpy")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image

from helpers.software_camera import FOCAL, HEIGHT, RATE, WIDTH, SoftwareCamera, pictures
from vipa import resources
from vipa.errors import VipaError
from vipa.images import image_array
from vipa.recording import topics
from vipa_ros.bringup.environment import Domain
from vipa_ros.common import convert
from vipa_ros.common.qos import PROFILES
from vipa_ros.nodes.realsense import RealSenseNode

SIZE = f"width: {WIDTH}\n    height: {HEIGHT}\n    rate: {RATE}"


class Cell:
    """The node, the cameras behind it, and what it publishes."""

    def __init__(self, tmp_path, **parameters):
        self.path = tmp_path / "robot.yaml"
        self.path.write_text(_robot(), encoding="utf-8")
        self.cameras = {"scene": SoftwareCamera("100"), "wrist": SoftwareCamera("200")}
        self.domain = Domain()
        self.parameters = {"robot": str(self.path), **parameters}
        line = [word for key, value in self.parameters.items() for word in ("-p", f"{key}:={value}")]
        rclpy.init(domain_id=self.domain.id, args=["--ros-args", *line])
        self.images, self.diagnostics = {}, {}
        self.node = RealSenseNode(lambda: [c.handle for c in self.cameras.values() if c.there])
        self.eyes = rclpy.create_node("eyes")
        for camera in self.cameras:
            for key, name in topics.camera_topics(camera).items():
                kind = CameraInfo if key.endswith("info") else Image
                at = self.images.setdefault((camera, key), [])
                self.eyes.create_subscription(kind, name, at.append, PROFILES["camera"])
        self.eyes.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self.on_diagnostics, PROFILES["stream"])
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.executor.add_node(self.eyes)

    def on_diagnostics(self, msg):
        self.diagnostics |= {s.name.rsplit(": ", 1)[1]: s for s in msg.status}

    def until(self, there):
        """Spins until there(); the suite's time limit ends what never comes."""
        while not there():
            self.executor.spin_once(timeout_sec=0.2)

    def said(self, camera, words):
        """Until the diagnostics of `camera` have `words`."""
        self.diagnostics.clear()
        self.until(lambda: camera in self.diagnostics and words in self.diagnostics[camera].message)
        return self.diagnostics[camera]

    def close(self):
        for camera in self.cameras.values():
            camera.stop()
        self.node.close()
        self.node.destroy_node()
        self.eyes.destroy_node()
        rclpy.shutdown()
        self.domain.release()


def _robot():
    text = resources.find("config/robots", "fr3_single").read_text(encoding="utf-8")
    for name, serial in (("scene", "100"), ("wrist", "200")):
        text = text.replace(
            f"  - name: {name} ",
            f"  - name: {name}\n    serial: '{serial}'\n    realsense: {{exposure: {serial}}}\n    {SIZE}\n    # ",
        )
    return text


@pytest.fixture
def cell(tmp_path):
    made = Cell(tmp_path)
    yield made
    made.close()


def test_two_cameras_on_the_topics_of_the_table(cell):
    for name, camera in cell.cameras.items():
        camera.feed(lambda n, z=0.5 if name == "scene" else 0.2: pictures(n, metres=z))
    cell.until(lambda: all(len(found) >= 5 for found in cell.images.values()))
    for name, metres in (("scene", 500), ("wrist", 200)):
        stamps = {
            k: [convert.time_ns(m.header.stamp) for m in cell.images[name, k]] for k in ("color", "depth", "color_info")
        }
        assert (
            stamps["color"][:5] == stamps["depth"][:5] == stamps["color_info"][:5] == sorted(set(stamps["color"][:5]))
        )
        color, depth, info = (cell.images[name, key][0] for key in ("color", "depth", "color_info"))
        assert color.encoding == "rgb8" and color.header.frame_id == f"{name}_color_optical_frame"
        pixels = image_array(depth)
        assert abs(np.median(pixels[pixels > 0]) - metres) <= 1
        np.testing.assert_allclose(
            np.array(info.k).reshape(3, 3), [[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]]
        )
        assert info.d[0] == pytest.approx(0.01)
        frame = convert.camera_frame(name, color, depth, info, np.eye(4))  # what the policy's reader makes of it
        assert frame.color.shape == (HEIGHT, WIDTH, 3)
    exposures = [c.color.get_option(c.rs.option.exposure) for c in cell.cameras.values()]
    assert exposures == [100, 200]  # of the robot file
    status = cell.said("scene", "")
    values = {v.key: v.value for v in status.values}
    assert values["serial"] == "100" and values["firmware"] == "5.16.0.1"


def test_a_camera_that_is_unplugged_comes_back(cell):
    cell.cameras["wrist"].feed(pictures)
    cell.cameras["scene"].feed(pictures)
    cell.until(lambda: len(cell.images["scene", "color"]) >= 3)
    cell.cameras["scene"].unplug()
    status = cell.said("scene", "100 is not plugged in; there are: 200")
    assert status.level == DiagnosticStatus.ERROR
    count = len(cell.images["scene", "color"])
    assert len(cell.images["wrist", "color"]) > 3  # the other goes on
    cell.cameras["scene"].feed(pictures)
    cell.until(lambda: len(cell.images["scene", "color"]) >= count + 3)
    values = {v.key: v.value for v in cell.said("scene", "").values}
    assert int(values["restarts"]) >= 1


def test_dark_slow_and_lost_streams_are_named(cell):
    cell.cameras["scene"].feed(lambda n: (np.full((HEIGHT, WIDTH, 3), n % 3, np.uint8), pictures(n)[1]))
    cell.cameras["wrist"].feed(lambda n: pictures(n) if n % 4 else None, period=0.01)
    assert cell.said("scene", "dark").level in (DiagnosticStatus.WARN, DiagnosticStatus.ERROR)
    cell.until(lambda: len(cell.images["wrist", "color"]) >= 20)
    values = {v.key: v.value for v in cell.said("wrist", "").values}
    assert int(values["lost"]) >= 4


def test_a_frozen_picture_is_named(cell):
    still = pictures(1)
    cell.cameras["scene"].feed(lambda n: still)
    cell.said("scene", "the same pixels")


def test_what_cannot_be_is_refused_at_start(tmp_path):
    with pytest.raises(VipaError, match="rear"):
        Cell(tmp_path, cameras="rear")
    rclpy.shutdown()
