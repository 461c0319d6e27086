"""The recorder over several bags."""

import json

import pytest

from helpers.synthetic_bag import Messages
from vipa.errors import VipaError
from vipa.recording.metadata import Qos
from vipa.recording.reader import BagReader
from vipa.recording.recorder import Recorder, summary_json

STRING = "std_msgs/msg/String"


def test_latched_messages_begin_every_bag(tmp_path):
    m = Messages()
    recorder = Recorder()
    static = recorder.add_topic("/static", STRING, (Qos(durability="transient_local"),), latched=2)
    stream = recorder.add_topic("/stream", STRING, (Qos(),))
    for text in ("old", "left", "right", "left"):
        recorder.record(static, 1, 1, m.serialize(m(STRING, data=text)))
    recorder.record(stream, 1, 1, m.serialize(m(STRING, data="before")))
    for name in ("one", "two"):
        recorder.start(tmp_path / name, {"episode_id": name}, now_ns=100)
        recorder.record(stream, 200, 200, m.serialize(m(STRING, data=name)))
        late = recorder.add_topic(f"/late_{name}", STRING)
        recorder.record(late, 300, 300, m.serialize(m(STRING, data="late")))
        summary = recorder.stop()
        assert not summary.dropped and summary.messages["/static"] == 2
        with BagReader(tmp_path / name) as bag:
            texts = [(x.topic, x.log_time_ns, x.data.data) for x in bag.messages()]
            assert bag.custom_data == {"episode_id": name}
        assert texts[:3] == [("/static", 100, "right"), ("/static", 100, "left"), ("/stream", 200, name)]
    assert recorder.stop() is None


def test_losses_are_in_the_summary(tmp_path):
    recorder = Recorder()
    topic = recorder.add_topic("/a", STRING)
    recorder.start(tmp_path / "bag", {}, 0)
    with pytest.raises(VipaError, match="already writes"):
        recorder.start(tmp_path / "other", {}, 0)
    recorder.lost(topic, 3)
    assert recorder.summary().dropped == {"/a": 3}
    data = json.loads(summary_json(recorder.stop()))
    assert data["dropped"] == {"/a": 3} and data["messages"] == {"/a": 0}
    recorder.start(tmp_path / "next", {}, 0)
    assert recorder.stop().dropped == {}


def test_the_recorder_answers_again_what_it_answered_before(tmp_path):
    """Its answer may have been lost; the bag is neither begun nor closed twice."""
    rclpy = pytest.importorskip("rclpy")
    from vipa_msgs.srv import RecordEpisode

    from vipa_ros.nodes.recorder import RecorderNode

    rclpy.init(args=["--ros-args", "-p", "robot:='fr3_single'"])
    try:
        node = RecorderNode()

        def ask(record, folder="", episode="a"):
            request = RecordEpisode.Request(record=record, folder=str(tmp_path / folder), episode_id=episode)
            return node.on_record(request, RecordEpisode.Response())

        assert ask(True, "one").success and ask(True, "one").success
        assert not ask(True, "two", "b").success, "another episode is refused while one is recorded"
        closed = ask(False)
        assert closed.success and ask(False) is closed
        assert ask(True, "two", "b").success and ask(False, episode="b").success and not ask(False, episode="c").success
        node.destroy_node()
    finally:
        rclpy.shutdown()
