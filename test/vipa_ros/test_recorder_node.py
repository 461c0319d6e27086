"""Node `recorder`, with real rclpy."""

import json

import pytest

pytest.importorskip("rclpy")

import rclpy
from vipa_msgs.srv import RecordEpisode

from vipa.errors import VipaError
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa_ros.bringup.environment import Domain
from vipa_ros.bringup.episode_graph import EpisodeConfig, episode_graph
from vipa_ros.bringup.teleop_graph import TeleopConfig, teleop_graph
from vipa_ros.nodes import recorder


def test_what_did_not_reach_the_bag_is_said_by_topic(tmp_path, capfd):
    domain = Domain()
    rclpy.init(args=["--ros-args", "-p", "robot:=fr3_single"], domain_id=domain.id)
    node = recorder.RecorderNode()
    try:
        asked = RecordEpisode.Request(record=True, folder=str(tmp_path / "bag"), episode_id="a", task="water_plant")
        assert node.on_record(asked, RecordEpisode.Response()).success
        node.recorder.lost(0, 3)
        asked.record = False
        closed = node.on_record(asked, RecordEpisode.Response())
    finally:
        node.destroy_node()
        rclpy.shutdown()
        domain.release()
    assert closed.success
    ((topic, count),) = json.loads(closed.summary)["dropped"].items()
    assert count == 3 and f"{topic}: 3 messages did not reach the bag" in capfd.readouterr().err


def test_compressed_pictures_stand_in_the_place_of_plain_ones_and_the_graph_has_who_makes_them():
    robot = load_robot("fr3_single")
    raw, compressed = ({t.name for t in topics.recorded_topics(robot, "sim", how)} for how in topics.PICTURES)
    plain = {topics.camera_topics(c.name)[key] for c in robot.cameras for key in ("color", "depth")}
    packed = {name for c in robot.cameras for name in topics.compressed_topics(c.name).values()}
    assert plain <= raw and not packed & raw and compressed == raw - plain | packed
    with pytest.raises(VipaError, match="pictures 'zipped'; allowed: compressed, raw"):
        EpisodeConfig("water_plant", pictures="zipped").checked()
    for asked, cameras in (
        (EpisodeConfig("water_plant", pictures="compressed"), ""),
        (EpisodeConfig("water_plant"), None),
    ):
        config = asked.checked()
        for graph in (episode_graph(config), teleop_graph(config, TeleopConfig())):
            specs = {spec.name: spec.parameters for spec in graph}
            assert specs["recorder"]["pictures"] == config.pictures
            assert specs.get("compressor", {}).get("cameras") == cameras
