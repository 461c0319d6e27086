"""One bad message, or a topic that cannot be decoded, stops nobody: it is skipped, counted and named."""

from pathlib import Path

from mcap.writer import Writer

from helpers.synthetic_bag import Messages
from vipa.recording import definitions
from vipa.recording.metadata import TopicEntry, bag_information, write_metadata
from vipa.recording.reader import BagReader

M = Messages()
STRING = "std_msgs/msg/String"


def _foreign_bag(folder: Path, channels, **options) -> Path:
    """A bag by the mcap library's own writer. channels: (topic, encoding, schema name, its encoding, its text, messages)."""
    folder.mkdir()
    topics = []
    with (folder / "x_0.mcap").open("wb") as file:
        writer = Writer(file, **options)
        writer.start(profile="ros2", library="test")
        for topic, encoding, name, schema_encoding, text, messages in channels:
            schema = writer.register_schema(name, schema_encoding, text.encode()) if name else 0
            channel = writer.register_channel(topic, encoding, schema)
            for k, data in enumerate(messages):
                writer.add_message(channel, 10**9 + k, data, 10**9 + k)
            topics.append(TopicEntry(topic, name, "", "", len(messages)))
        writer.finish()
    write_metadata(folder, bag_information("x_0.mcap", topics, 10**9, 10**9 + 9, {}))
    return folder


def _text(k: int) -> bytes:
    return M.serialize(M(STRING, data=f"message {k}"))


def test_bad_messages_are_skipped_and_named(tmp_path):
    texts = [_text(k) for k in range(6)]
    texts[1] = texts[1][:9]
    texts[3] = b""
    texts[4] = b"\0\x01\0\0\xff\xff\xff\x7fabc"
    channels = [
        ("/text", "cdr", STRING, "ros2msg", definitions.definition(STRING), texts),
        ("/json", "json", "Point", "jsonschema", "{}", [b"{}"] * 4),
        ("/bare", "json", "", "", "", [b"{}"] * 2),
        ("/strange", "cdr", "a/msg/B", "ros2msg", "this is ] no definition", [b"\0\x01\0\0"]),
        ("/protobuf", "cdr", "a.B", "protobuf", "x", [b"\0\x01\0\0"]),
    ]
    with BagReader(_foreign_bag(tmp_path / "bag", channels)) as bag:
        for _ in range(2):  # what was skipped counts once, however often it is met
            assert [m.data.data for m in bag.messages()] == ["message 0", "message 2", "message 5"]
            assert {name: s.count for name, s in bag.skipped.topics.items()} == {
                "/text": 3, "/json": 4, "/bare": 2, "/strange": 1, "/protobuf": 1,
            }  # fmt: skip
        lines = bag.skipped.lines()
        assert "/json: 4 messages skipped: encoding 'json'; allowed: cdr" in lines
        assert "/strange: 1 message skipped: definition of 'a/msg/B'" in "\n".join(lines)
        assert len(list(bag.raw())) == 14


def test_a_type_without_its_definition_is_read_by_ours(tmp_path):
    channels = [("/text", "cdr", STRING, "", "", [_text(1)])]
    with BagReader(_foreign_bag(tmp_path / "bag", channels)) as bag:
        assert [m.data.data for m in bag.messages()] == ["message 1"]


def test_two_definitions_of_one_name_are_kept_apart(tmp_path):
    """Bags of two machines whose packages differ, merged."""
    channels = [
        ("/old", "cdr", "p/msg/A", "ros2msg", "int32 x\n", [b"\0\x01\0\0\x05\0\0\0"]),
        ("/new", "cdr", "p/msg/A", "ros2msg", "int8 y\n", [b"\0\x01\0\0\x07"]),
    ]
    with BagReader(_foreign_bag(tmp_path / "bag", channels)) as bag:
        data = {m.topic: m.data for m in bag.messages()}
        assert data["/old"].x == 5 and data["/new"].y == 7
        assert not bag.skipped


def test_files_without_chunks_or_summary_are_read(tmp_path):
    """As rosbag2's `fastwrite` preset writes them, and leaner ones."""
    channels = [("/text", "cdr", STRING, "ros2msg", definitions.definition(STRING), [_text(k) for k in range(5)])]
    bare = {"use_chunking": False, "use_statistics": False, "use_summary_offsets": False}
    bare |= {"repeat_channels": False, "repeat_schemas": False}
    for number, options in enumerate([{"use_chunking": False}, bare, {**bare, "use_chunking": True}]):
        with BagReader(_foreign_bag(tmp_path / str(number), channels, **options)) as bag:
            assert [m.data.data for m in bag.messages()] == [f"message {k}" for k in range(5)]
            assert bag.topics["/text"].count == 5 and bag.end_ns == 10**9 + 4
