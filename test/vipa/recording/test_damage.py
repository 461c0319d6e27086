"""Whatever bytes a bag's files hold: the reader and the repair either work or raise VipaError, in bounded memory."""

import os
import tracemalloc
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType, Writer

from helpers.synthetic_bag import Messages
from vipa.errors import VipaError
from vipa.recording import definitions
from vipa.recording.metadata import TopicEntry, bag_information, write_metadata
from vipa.recording.reader import BagReader
from vipa.recording.repair import repair

M = Messages()
TYPES = ("std_msgs/msg/String", "sensor_msgs/msg/JointState", "tf2_msgs/msg/TFMessage")
CASES = int(os.environ.get("VIPA_PROPERTY_CASES", "80"))
BOUND = 100 << 20
KINDS = {
    "zstd": {"compression": CompressionType.ZSTD},
    "lz4": {"compression": CompressionType.LZ4},
    "plain": {"compression": CompressionType.NONE},
    "loose": {"use_chunking": False},
    "no_crc": {"enable_crcs": False, "enable_data_crcs": False},
}
FUZZ = settings(
    max_examples=CASES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    """The content of a small file of each kind."""
    found = {}
    messages = [
        M(TYPES[0], data="text " * 5),
        M(TYPES[1], header=M.header(5), name=["a", "b"]),
        M(TYPES[2], transforms=[M.transform(7, "a", "b", (1, 2, 3))]),
    ]
    for kind, options in KINDS.items():
        path = tmp_path_factory.mktemp("damage") / "bag_0.mcap"
        with path.open("wb") as file:
            writer = Writer(file, chunk_size=400, **options)
            writer.start(profile="ros2", library="test")
            channels = []
            for name in TYPES:
                schema = writer.register_schema(name, "ros2msg", definitions.definition(name).encode())
                channels.append(writer.register_channel(f"/{len(channels)}", "cdr", schema))
            for k in range(30):
                writer.add_message(channels[k % 3], 10 + k, M.serialize(messages[k % 3]), 10 + k)
            writer.finish()
        found[kind] = path.read_bytes()
    return found


def _damaged(draw, content: bytes) -> bytes:
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        noise = draw(st.one_of(st.binary(max_size=12), st.sampled_from([b"\xff" * 8, bytes(8), b"\x06" + b"\0" * 8])))
        match draw(st.sampled_from(["change", "change", "insert", "remove", "cut", "repeat"])):
            case "change":
                data[at : at + len(noise)] = noise
            case "insert":
                data[at:at] = noise
            case "remove":
                del data[at : at + draw(st.integers(1, 300))]
            case "cut":
                del data[at:]
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 2000))]
    return bytes(data)


def _read(folder: Path) -> int:
    with BagReader(folder) as bag:
        list(bag.raw())
        return sum(1 for _ in bag.messages()) + sum(s.count for s in bag.skipped.topics.values())


@FUZZ
@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)))
def test_damaged_files_are_read_or_refused(tmp_path_factory, files, data, kind):
    folder = tmp_path_factory.mktemp("bag")
    (folder / "bag_0.mcap").write_bytes(_damaged(data.draw, files[kind]))
    write_metadata(folder, bag_information("bag_0.mcap", [TopicEntry("/0", TYPES[0], "", "", 30)], 10, 39, {}))
    tracemalloc.start()
    try:
        try:
            _read(folder)
        except VipaError as error:
            assert str(folder) in str(error)
        report = repair(folder)
        assert report.kept <= report.found
        assert _read(folder) >= 0  # what was repaired opens, to its last message
        assert not repair(folder).repaired
        assert tracemalloc.get_traced_memory()[1] < BOUND
    finally:
        tracemalloc.stop()


@settings(FUZZ, max_examples=CASES // 2)
@given(data=st.data())
def test_damaged_metadata_is_read_or_refused(tmp_path_factory, files, data):
    folder = tmp_path_factory.mktemp("bag")
    (folder / "bag_0.mcap").write_bytes(files["zstd"])
    information = bag_information("bag_0.mcap", [TopicEntry("/0", TYPES[0], "", "", 30)], 10, 39, {"episode_id": "x"})
    if data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(information)))
        information[key] = data.draw(
            st.sampled_from([None, [], {}, "", "x", -1, [1], [None], ["../../etc/passwd"], {"a": 1}])
        )
        text = yaml.safe_dump({"rosbag2_bagfile_information": information})
    else:
        text = yaml.safe_dump({"rosbag2_bagfile_information": information})
        at, noise = data.draw(st.integers(0, len(text))), data.draw(st.text(max_size=5))
        text = text[:at] + noise + text[at + len(noise) :]
    (folder / "metadata.yaml").write_bytes(text.encode("utf-8", "replace"))
    try:
        _read(folder)
    except VipaError as error:
        assert str(folder) in str(error)
    repair(folder)
    assert _read(folder) == 30


@pytest.mark.parametrize("text", ["[" * 100_000, "a: 1" + "0" * 5000, "{a: &a [*a, *a]}", "\xff\xfe"])
def test_hostile_metadata(tmp_path, files, text):
    (tmp_path / "bag_0.mcap").write_bytes(files["zstd"])
    (tmp_path / "metadata.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(VipaError):
        BagReader(tmp_path)
    repair(tmp_path)
    assert _read(tmp_path) == 30
