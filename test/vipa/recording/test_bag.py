"""What a bag written by BagWriter holds, as the libraries that others use see it."""

import threading

import numpy as np
import pytest
import yaml
from mcap import writer
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader

from helpers.synthetic_bag import EPISODE_ID, Messages, write_episode
from vipa.errors import VipaError
from vipa.recording import bag as bag_module
from vipa.recording import chunk_level, definitions
from vipa.recording.bag import BagWriter
from vipa.recording.metadata import Qos
from vipa.recording.reader import BagReader

STRING = "std_msgs/msg/String"


def test_an_episode_reads_with_rosbags_and_mcap(tmp_path):
    folder = write_episode(tmp_path / "bag", seconds=1.0)
    with Reader(folder) as bag:
        topics = bag.topics
        assert topics["/joint_states"].msgcount == 51
        assert topics["/camera/scene/color/image_raw"].msgcount == 15
        assert bag.ros_distro == "jazzy"
        count = bag.message_count
        qos = topics["/vipa/episode_status"].connections[0].ext.offered_qos_profiles
        assert qos[0].durability.name == "TRANSIENT_LOCAL"
        assert sum(1 for _ in bag.messages()) == count
    with open(folder / "bag_0.mcap", "rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        assert summary.statistics.message_count == count
        assert sum(1 for _ in reader.iter_messages()) == count
        channel = next(c for c in summary.channels.values() if c.topic == "/vipa/episode_status")
        assert channel.metadata["topic_type_hash"] == definitions.type_hash("vipa_msgs/msg/EpisodeStatus")
        assert "transient_local" in channel.metadata["offered_qos_profiles"]
        text = summary.schemas[channel.schema_id].data.decode()
        assert "MSG: vipa_msgs/SubTaskStatus" in text and "MSG: builtin_interfaces/Time" in text


def test_metadata_is_that_of_jazzy(tmp_path):
    folder = write_episode(tmp_path / "bag", seconds=0.5)
    information = yaml.safe_load((folder / "metadata.yaml").read_text(encoding="utf-8"))["rosbag2_bagfile_information"]
    assert list(information) == [
        "version",
        "storage_identifier",
        "duration",
        "starting_time",
        "message_count",
        "topics_with_message_count",
        "compression_format",
        "compression_mode",
        "relative_file_paths",
        "files",
        "custom_data",
        "ros_distro",
    ]
    assert information["version"] == 9
    assert information["relative_file_paths"] == ["bag_0.mcap"]
    assert information["duration"]["nanoseconds"] == 500_000_000
    assert information["custom_data"]["episode_id"] == EPISODE_ID
    for entry in information["topics_with_message_count"]:
        topic = entry["topic_metadata"]
        assert topic["type_description_hash"].startswith("RIHS01_")
        assert topic["offered_qos_profiles"][0]["deadline"] == {"sec": 9223372036, "nsec": 854775807}


def test_metadata_and_header_are_there_from_the_start(tmp_path):
    bag = BagWriter(tmp_path / "bag", {"episode_id": "x"})
    information = yaml.safe_load((tmp_path / "bag" / "metadata.yaml").read_text(encoding="utf-8"))[
        "rosbag2_bagfile_information"
    ]
    assert information["message_count"] == 0 and information["custom_data"] == {"episode_id": "x"}
    assert (tmp_path / "bag" / "bag_0.mcap").read_bytes()[:8] == b"\x89MCAP0\r\n"
    bag.close()


def test_flush_puts_everything_in_the_file(tmp_path):
    m = Messages()
    bag = BagWriter(tmp_path / "bag", flush_period=3600.0)
    topic = bag.add_topic("/a", STRING)
    payload = m.serialize(m(STRING, data="hello"))
    assert all(bag.write(topic, k, k, payload) for k in range(10))
    bag.flush()
    assert bag.summary().messages == {"/a": 10}
    size = bag.path.stat().st_size
    assert size > 200
    bag.write(topic, 10, 10, payload)
    bag.flush()
    assert bag.path.stat().st_size > size
    assert bag.close().messages == {"/a": 11}


def test_the_file_grows_by_itself(tmp_path):
    m = Messages()
    bag = BagWriter(tmp_path / "bag", flush_period=0.1)
    before = bag.path.stat().st_size
    bag.write(bag.add_topic("/a", STRING), 1, 1, m.serialize(m(STRING, data="hello")))
    grown = threading.Event()
    for _ in range(3000):  # waits as long as a slow machine needs, and no longer
        if bag.path.stat().st_size > before:
            grown.set()
            break
        threading.Event().wait(0.01)
    assert grown.is_set()
    bag.close()


def test_a_full_queue_drops_and_counts_by_topic(tmp_path):
    bag = BagWriter(tmp_path / "bag", queue_bytes=10_000)
    small, big = bag.add_topic("/small", STRING), bag.add_topic("/big", STRING)
    assert not bag.write(big, 1, 1, b"\0" * 20_000)
    assert bag.write(small, 1, 1, b"\0\1\0\0\1\0\0\0\0")
    assert not bag.write(small, -1, 0, b"")
    summary = bag.close()
    assert summary.dropped == {"/big": 1, "/small": 1}
    assert summary.messages == {"/small": 1, "/big": 0}
    assert not bag.write(small, 2, 2, b"")
    assert bag.close().dropped == {"/big": 1, "/small": 2}


def test_a_failing_disk_is_reported_and_blocks_nobody(tmp_path):
    bag = BagWriter(tmp_path / "bag")
    topic = bag.add_topic("/a", STRING)
    bag._file.close()  # as a disk that takes no more
    bag.write(topic, 1, 1, b"\0\1\0\0\1\0\0\0\0")
    with pytest.raises(VipaError, match="bag_0.mcap"):
        bag.flush()
    assert not bag.write(topic, 2, 2, b"")
    assert bag.close().error


def test_many_writers_lose_nothing(tmp_path):
    bag = BagWriter(tmp_path / "bag")
    payload = b"\0\1\0\0\1\0\0\0\0"

    def work(name):
        topic = bag.add_topic(name, STRING)
        for k in range(500):
            assert bag.write(topic, k, k, payload)

    threads = [threading.Thread(target=work, args=(f"/t{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bag.close().messages == {f"/t{i}": 500 for i in range(4)}
    with Reader(tmp_path / "bag") as reader:
        assert {c.topic: c.msgcount for c in reader.connections} == {f"/t{i}": 500 for i in range(4)}


def test_errors_name_what_is_wrong(tmp_path):
    bag = BagWriter(tmp_path / "bag")
    bag.add_topic("/a", STRING, (Qos(),))
    with pytest.raises(VipaError, match="/a was added already"):
        bag.add_topic("/a", STRING)
    with pytest.raises(VipaError, match="std_msgs/msg/Nothing"):
        bag.add_topic("/b", "std_msgs/msg/Nothing")
    with pytest.raises(VipaError, match="package/msg/Name"):
        bag.add_topic("/b", "nonsense")
    bag.close()
    with pytest.raises(VipaError, match="holds files already"):
        BagWriter(tmp_path / "bag")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(VipaError, match="file"):
        BagWriter(tmp_path / "file" / "bag")


def test_an_empty_bag_is_a_bag(tmp_path):
    with BagWriter(tmp_path / "bag"):
        pass
    with Reader(tmp_path / "bag") as reader:
        assert reader.message_count == 0


def test_a_queue_that_fills_is_written_at_a_faster_level(tmp_path, monkeypatch):
    """The level is the writer's own at first, the fast one while much waits, and what is written reads back either way."""
    used = []
    use = chunk_level.use
    monkeypatch.setattr(chunk_level, "use", lambda level: (used.append(level), use(level)))
    monkeypatch.setattr(bag_module, "LOOK_PERIOD_S", 100.0)  # the thread looks when it is woken, not when it is time
    noise = np.random.default_rng(0).integers(0, 16, 1 << 20, dtype=np.uint8).tobytes()
    message = b"\0\1\0\0" + (len(noise) + 1).to_bytes(4, "little") + noise + b"\0"
    with BagWriter(tmp_path / "bag", queue_bytes=8 << 20, flush_period=200.0) as bag:
        topic = bag.add_topic("/words", "std_msgs/msg/String")
        for k in range(7):
            assert bag.write(topic, k + 1, k + 1, message)
        bag.flush()
        bag.write(topic, 100, 100, message)
        bag.flush()
    assert used[-1] == chunk_level.SMALL and used[0] < 0  # much waited, then little
    with BagReader(tmp_path / "bag") as read:
        assert [(at, data) for _, at, data in read.raw()] == [(k, message) for k in (1, 2, 3, 4, 5, 6, 7, 100)]


def test_the_fuller_the_queue_the_faster_the_level():
    assert [chunk_level.level_for(share) for share in (0.0, 0.2, 0.3, 0.5, 0.6, 1.0)] == [3, 3, 1, 1, -50, -50]


def test_the_librarys_writer_compresses_at_the_level_of_its_thread():
    data = np.random.default_rng(0).normal(0, 3, 200_000).astype(np.int8).tobytes()
    sizes = {}
    for level in (1, 19):
        chunk_level.use(level)
        sizes[level] = len(writer.zstandard.compress(data))
    chunk_level.use(chunk_level.SMALL)
    assert sizes[19] < sizes[1]
