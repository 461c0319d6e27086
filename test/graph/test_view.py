"""Node `view` beside a standing cell, read by a client that speaks Foxglove's WebSocket protocol; and what the viewers' files name."""

import json
import struct
import time
from xml.etree import ElementTree

import pytest
import yaml
from websockets.sync.client import connect

from helpers.graph_world import WALL, World
from vipa import resources
from vipa.recording import topics
from vipa.recording.definitions import typestore
from vipa.recording.topic_names import camera_topics, chunk_path_topic
from vipa.robot.description import load_robot
from vipa_ros.bringup.process import ProcessSpec

CELL = {"robot": "fr3_single", "task": "water_plant", "use_sim_time": True}
SUBPROTOCOLS = ["foxglove.sdk.v1", "foxglove.websocket.v1"]
# seconds between an advertisement and what a viewer makes of it. foxglove-sdk 0.30.3 knows a channel a moment after it has advertised it,
# and drops a subscription that comes before
A_VIEWER_TAKES_S = 0.2
DATA = 1  # opcode of a message, see foxglove's ws-protocol: subscription (uint32), time (uint64), payload


class Viewer:
    """A viewer: what is advertised, and messages by topic."""

    def __init__(self, address):
        self.link = connect(address, subprotocols=SUBPROTOCOLS, max_size=None, compression=None, legacy=True)
        self.channels, self.numbers, self.server = {}, {}, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def read(self):
        """The next (topic, payload); topic "" for what is none."""
        said = self.link.recv(WALL)
        if isinstance(said, str):
            said = json.loads(said)
            if said["op"] == "serverInfo":
                self.server = said
            elif said["op"] == "advertise":
                self.channels |= {c["topic"]: c for c in said["channels"]}
            return "", b""
        if said[0] != DATA:
            return "", b""
        number, _ = struct.unpack("<IQ", said[1:13])
        return self.numbers[number], said[13:]

    def subscribe(self, topic):
        while topic not in self.channels:
            self.read()
        time.sleep(A_VIEWER_TAKES_S)
        number = len(self.numbers)
        self.numbers[number] = topic
        asked = {"op": "subscribe", "subscriptions": [{"id": number, "channelId": self.channels[topic]["id"]}]}
        self.link.send(json.dumps(asked))

    def message(self, topic):
        """The next message of `topic`, decoded."""
        while True:
            found, data = self.read()
            if found == topic:
                return typestore().deserialize_cdr(data, self.channels[topic]["schemaName"])


@pytest.mark.graph
def test_a_viewer_gets_model_transforms_cameras_and_path_and_can_say_nothing(tmp_path, monkeypatch):
    pytest.importorskip("foxglove")
    specs = [ProcessSpec("sim", "sim", {**CELL, "seed": 2}), ProcessSpec("motion", "motion", CELL), ProcessSpec("expert", "expert", CELL),
             ProcessSpec("task_manager", "task_manager", CELL), ProcessSpec("view", "view", {"at": "localhost:0"}),
             ProcessSpec("episode", "episode", {"task": "water_plant", "commander": "expert", "time_limit": 60.0})]  # fmt: skip
    with World(tmp_path, specs, monkeypatch) as world:
        log = tmp_path / "view.log"
        world.wait(lambda: log.is_file() and "view: ws://" in log.read_text(encoding="utf-8"), "the server")
        address = log.read_text(encoding="utf-8").split("view: ")[1].split(";")[0]
        with Viewer(address) as viewer:
            viewer.subscribe(topics.ROBOT_DESCRIPTION)  # latched: said before the viewer came
            model = viewer.message(topics.ROBOT_DESCRIPTION).data
            links = {link.get("name") for link in ElementTree.fromstring(model).iter("link")}
            viewer.subscribe(topics.TF)
            frames = {t.child_frame_id for t in viewer.message(topics.TF).transforms}
            assert "fr3_hand_tcp" in links and links <= frames | {"world"}, (
                links - frames
            )  # nothing of the model is left without a place
            color = camera_topics("scene")["color"]
            viewer.subscribe(color)
            picture = viewer.message(color)
            camera = next(c for c in load_robot("fr3_single").cameras if c.name == "scene")
            assert (picture.width, picture.height) == (camera.width, camera.height) and picture.data.std() > 5
            path = chunk_path_topic("arm")
            viewer.subscribe(path)
            found = viewer.message(path)
            assert len(found.poses) > 3 and found.header.frame_id == load_robot("fr3_single").arms[0].base_frame
            assert set(viewer.server["capabilities"]) == {"time"}
            viewer.link.send(json.dumps({"op": "advertise", "channels": [{"id": 1, "topic": topics.ACTION_CHUNK, "encoding": "cdr",
                                                                          "schemaName": "vipa_msgs/msg/ActionChunk"}]}))  # fmt: skip
            while True:  # what a viewer wants to publish is refused
                said = viewer.link.recv(WALL)
                if isinstance(said, str) and json.loads(said)["op"] == "status":
                    break


def _layout():
    return json.loads((resources.root() / "config/foxglove/vipa.json").read_text(encoding="utf-8"))


def known(cell="sim"):
    robot = load_robot("fr3_single")
    return {t.name for t in topics.topic_table(robot, cell)} | {chunk_path_topic(g.name) for g in robot.groups}


def test_the_layout_names_topics_that_there_are_and_panels_that_it_holds():
    layout = _layout()

    def panels(node):
        return {node} if isinstance(node, str) else panels(node["first"]) | panels(node["second"])

    assert panels(layout["layout"]) == set(layout["configById"])
    text = json.dumps(layout)
    named = {name for config in layout["configById"].values() for name in config.get("topics", {})}
    named |= {
        layer["topic"]
        for config in layout["configById"].values()
        for layer in config.get("layers", {}).values()
        if "topic" in layer
    }
    named |= {config["imageMode"]["imageTopic"] for config in layout["configById"].values() if "imageMode" in config}
    assert named and named <= known() and topics.ROBOT_DESCRIPTION in text


def test_rviz_s_displays_name_topics_that_there_are():
    displays = yaml.safe_load((resources.root() / "config/rviz/vipa.rviz").read_text(encoding="utf-8"))[
        "Visualization Manager"
    ]["Displays"]
    named = {d[key]["Value"] for d in displays for key in ("Topic", "Description Topic") if key in d}
    assert topics.ROBOT_DESCRIPTION in named and named <= known()
    assert {d["Class"] for d in displays} >= {
        "rviz_default_plugins/RobotModel",
        "rviz_default_plugins/TF",
        "rviz_default_plugins/Path",
    }
