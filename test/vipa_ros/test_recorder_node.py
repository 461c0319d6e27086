"""Node `recorder`, with real rclpy."""

import json

import pytest

pytest.importorskip("rclpy")

import rclpy
from vipa_msgs.srv import RecordEpisode

from vipa_ros.bringup.environment import Domain
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
