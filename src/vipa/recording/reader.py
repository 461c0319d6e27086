"""Reads bags: topics, times, decoded messages, images as arrays. Needs no ROS: definitions stand in the bag itself."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from vipa import compressed_images, images
from vipa.errors import VipaError, unknown
from vipa.recording import metadata
from vipa.recording.decoding import Undecodable, decoder
from vipa.recording.jumps import Jump, Seen, find_jump
from vipa.recording.skipped import SkipLog
from vipa.recording.small_messages import SmallMessages
from vipa.recording.storage import McapStorage, RosbagsStorage
from vipa.recording.topic_names import camera_topics, plain_topic

# what a reader of fields meets in a message of another type, or with values that cannot be: it skips that message
IMAGE, COMPRESSED_IMAGE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
NOT_AS_EXPECTED = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError, VipaError)


class Message(NamedTuple):
    """A message of a bag. `data`: the decoded message, with the fields of its type; arrays are numpy arrays."""

    topic: str
    log_time_ns: int
    data: Any


@dataclass(frozen=True)
class TopicInfo:
    """A topic of a bag: type ("pkg/msg/Name") and number of messages. compressed: the topic of the bag that has them compressed; "":
    they stand in it as they are."""

    name: str
    type: str
    count: int
    compressed: str = ""


@dataclass(frozen=True)
class Picture:
    """What a sensor_msgs/CompressedImage holds, with the fields of a sensor_msgs/Image."""

    header: Any
    height: int
    width: int
    encoding: str
    step: int
    data: np.ndarray
    is_bigendian: int = 0


class BagReader:
    """A rosbag2 bag (MCAP or SQLite), open for reading. A context manager; not for several threads at once.

    topics: name → TopicInfo; pictures that are in the bag compressed alone are there, and read, by the name of the plain topic, too. start_ns, end_ns: log times of the first and last message, 0 if there is none. custom_data: as recorded.
    skipped: the messages that could not be read so far, by topic, with the reason: one bad message stops nobody. Where time jumps
    back (`jump`) the bag is taken to end: what follows would be a second past among the first.

    Args:
        folder: of the bag, with its metadata.yaml.

    Raises:
        VipaError: it is no bag, cut off or damaged; `vipa.recording.repair` mends it. So do the methods that read messages: damage
            may lie anywhere.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        information = metadata.read_metadata(self.folder)
        if information is None:
            raise VipaError(_no_bag(self.folder))
        custom = information.get("custom_data")
        self.custom_data: dict[str, str] = custom if isinstance(custom, dict) else {}
        self._storage = _storage(self.folder, information)
        self.skipped = SkipLog()
        self._small: SmallMessages | None = None
        self._decoders: dict[Any, Callable[[bytes], Any] | None] = {}
        self.topics = _topics(self._storage.connections.values())
        self.topics |= {t.name: t for t in _decompressed(self.topics)}
        self.start_ns: int = self._storage.start_ns
        self.end_ns: int = self._storage.end_ns

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._storage.close()

    @property
    def duration(self) -> float:
        """Seconds from the first to the last message."""
        return (self.end_ns - self.start_ns) / 1e9

    @cached_property
    def jump(self) -> Jump | None:
        """The first jump of time in the bag, found by going through it once; None if time runs on as it should."""
        storage = self._storage
        small = SmallMessages(key for key, c in storage.connections.items() if c.type == COMPRESSED_IMAGE)
        jump = find_jump(
            Seen(storage.connections[m.connection].topic, m.log_ns, m.position, m.data)
            for m in small.watched(storage.in_file_order())
        )
        if jump is not None and jump.back:
            storage.cut = jump.position
            small.end(jump.position)
        if jump is None or jump.back:
            self._small = small
        return jump

    def messages(
        self, topics: Sequence[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[Message]:
        """Decoded messages of `topics` (None: all) with start_ns <= log time < stop_ns, in order of log time.

        A message that cannot be decoded is skipped and named in `skipped`. A topic the bag lacks is refused with VipaError;
        `name in bag.topics` asks.
        """
        asked = [self.topics[name] for name in topics or () if name in self.topics]
        plain = {info.compressed: info.name for info in asked if info.compressed}
        stored = topics and [getattr(self.topics.get(name), "compressed", "") or name for name in topics]
        for key, log_time, raw in self._raw(stored, start_ns, stop_ns):
            name = self._storage.connections[key].topic
            decode = self._decoder(key)
            if decode is None:
                continue
            try:
                data = decode(raw)
                picture = _picture(data) if name in plain else None
            except (Undecodable, ValueError) as reason:
                self.skipped.add(name, log_time, str(reason))
                continue
            if picture is not None:
                yield Message(plain[name], log_time, picture)
            if picture is None or name in (topics or ()):
                yield Message(name, log_time, data)

    def raw(
        self, topics: Sequence[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """As `messages`, but (topic, log time, serialized bytes)."""
        for key, log_time, raw in self._raw(topics, start_ns, stop_ns):
            yield self._storage.connections[key].topic, log_time, raw

    def _decoder(self, key) -> Callable[[bytes], Any] | None:
        """Of a connection; None if its messages cannot be decoded."""
        if key not in self._decoders:
            info = self._storage.connections[key]
            try:
                self._decoders[key] = decoder(info.type, info.encoding, info.schema_encoding, info.schema)
            except Undecodable as reason:
                self._decoders[key] = None
                self.skipped.add_topic(info.topic, info.count, str(reason))
        return self._decoders[key]

    def _raw(self, topics, start_ns, stop_ns) -> Iterator[tuple[Any, int, bytes]]:
        for name in topics or ():
            if name not in self.topics or self.topics[name].compressed:
                raise unknown("topic of the bag", name, self.topics)
        if topics is not None and not topics:
            return
        wanted = {key for key, info in self._storage.connections.items() if topics is None or info.topic in topics}
        _ = self.jump  # finding it ends the bag there
        if self._small is not None and self._small.has(wanted):
            found = self._small.in_time_order(wanted, start_ns, stop_ns)
        else:
            found = self._storage.in_time_order(wanted, start_ns, stop_ns)
        for message in found:
            yield message.connection, message.log_ns, message.data

    def camera_names(self) -> list[str]:
        """Names of the cameras whose colour images (`/camera/<name>/color/image_raw`) are in the bag, sorted."""
        parts = {topic: [*topic.split("/"), "", ""] for topic, info in self.topics.items() if info.count}
        return sorted(part[2] for topic, part in parts.items() if camera_topics(part[2])["color"] == topic)


def _storage(folder: Path, information: dict) -> McapStorage | RosbagsStorage:
    names = information.get("relative_file_paths")
    if not metadata.is_plain_mcap(information):
        return RosbagsStorage(folder)
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n for n in names):
        raise VipaError(f"bag {folder}: metadata.yaml names no files; `vipa bag repair` makes it anew")
    paths = [folder / Path(name).name for name in names]
    missing = [p.name for p in paths if not p.is_file()]
    if missing:
        raise VipaError(f"bag {folder}: {', '.join(missing)} of metadata.yaml is not there")
    return McapStorage(paths)


def _no_bag(folder: Path) -> str:
    """Why a folder without readable metadata is no bag, and what to do."""
    if not folder.exists():
        return f"bag {folder}: no such folder"
    if not folder.is_dir():
        return f"bag {folder}: is a file; allowed: the folder of a bag"
    if not any(path.suffix in (".mcap", ".db3", ".zstd") for path in folder.iterdir()):
        return f"bag {folder}: no bag; allowed: a folder with metadata.yaml and *.mcap or *.db3"
    if not any(path.suffix == ".mcap" for path in folder.iterdir()):
        return f"bag {folder}: no readable metadata.yaml; of a SQLite bag, `ros2 bag reindex` makes it anew"
    return f"bag {folder}: no readable metadata.yaml; `vipa bag repair` makes it anew"


def _topics(connections) -> dict[str, TopicInfo]:
    topics: dict[str, TopicInfo] = {}
    for c in connections:
        before = topics.get(c.topic)
        topics[c.topic] = TopicInfo(c.topic, c.type, c.count + (before.count if before else 0))
    return dict(sorted(topics.items()))


def _decompressed(topics: dict[str, TopicInfo]) -> list[TopicInfo]:
    """The plain topics of pictures that are in the bag compressed alone."""
    found = {}
    for info in topics.values():
        plain = plain_topic(info.name)
        if info.type == COMPRESSED_IMAGE and info.count and plain and not (plain in topics and topics[plain].count):
            found[plain] = TopicInfo(plain, IMAGE, info.count, info.name)
    return list(found.values())


def _picture(message) -> Picture:
    """Raises ValueError for one that is damaged."""
    pixels = compressed_images.pixels(message.format, message.data)
    encoding = "rgb8" if pixels.ndim == 3 else "16UC1"
    row = pixels.reshape(len(pixels), -1).astype(pixels.dtype.newbyteorder("<"), copy=False).view(np.uint8)
    return Picture(message.header, *pixels.shape[:2], encoding, row.shape[1], row.reshape(-1))


def stamp_ns(message) -> int:
    """Header stamp of a decoded message, nanoseconds of ROS time."""
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def image_array(image) -> np.ndarray:
    """A decoded sensor_msgs/Image as an array, see `vipa.images.image_array`. Raises VipaError."""
    try:
        return images.image_array(image)
    except ValueError as error:
        raise VipaError(str(error)) from None
