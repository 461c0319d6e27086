"""The files of a bag as one row of messages: MCAP by our own bounded reader, SQLite by `rosbags`.

Both storages have: `connections` by key; `in_file_order()` and `in_time_order()`, which yield `Stored`; `cut`: the position
in file order at which a bag is taken to end, None: nowhere.
"""

import heapq
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.interfaces import MessageDefinitionFormat
from rosbags.rosbag2 import Reader, ReaderError

from vipa.errors import VipaError
from vipa.recording.mcap_file import McapFile, Part

MAX_HELD_BYTES = 1 << 30  # bytes of messages that wait for earlier ones, in a file whose parts overlap in time
_NO_ERRORS = (ReaderError, OSError, ValueError, AssertionError, KeyError, TypeError, AttributeError)


class ConnectionInfo(NamedTuple):
    """A channel of a bag."""

    topic: str
    type: str
    encoding: str
    schema_encoding: str
    schema: str
    count: int


class Stored(NamedTuple):
    """A message as stored. connection: key in `connections`. position: grows in file order."""

    log_ns: int
    position: tuple[int, int]
    connection: Any
    data: bytes


def natural_order(path: Path) -> list:
    """A sort key by which bag_10 comes after bag_2."""
    return [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", path.name)]


class McapStorage:
    """One or more MCAP files, in the order they were written."""

    def __init__(self, paths: list[Path]):
        """Raises VipaError."""
        self.files: list[McapFile] = []
        self.cut: tuple[int, int] | None = None
        try:
            for path in paths:
                self.files.append(McapFile(path))
        except VipaError:
            self.close()
            raise
        self._parts: list[tuple[int, int, Part]] = []  # number in file order, file, part
        for number, file in enumerate(self.files):
            self._parts += [(len(self._parts) + i, number, part) for i, part in enumerate(file.parts)]
        self.connections = {
            (number, id): _connection(file, id) for number, file in enumerate(self.files) for id in file.channels
        }
        spans = [(f.first_ns, f.last_ns) for f in self.files if f.counts]
        self.start_ns = min((s[0] for s in spans), default=0)
        self.end_ns = max((s[1] for s in spans), default=0)

    def close(self) -> None:
        for file in self.files:
            file.close()

    def _read(self, number: int, file: int, part: Part, channels: Collection[int] | None = None) -> Iterator[Stored]:
        for index, message in enumerate(self.files[file].read(part, channels)):
            if self.cut is not None and (number, index) >= self.cut:
                return
            if message is not None and (file, message.channel) in self.connections:
                yield Stored(message.log_ns, (number, index), (file, message.channel), message.data)

    def in_file_order(self) -> Iterator[Stored]:
        for part in self._parts:
            yield from self._read(*part)

    def in_time_order(self, wanted: Collection, start_ns: int | None, stop_ns: int | None) -> Iterator[Stored]:
        """By log time; what has the same time in file order."""
        parts = [
            p
            for p in self._parts
            if (start_ns is None or p[2].last_ns >= start_ns) and (stop_ns is None or p[2].first_ns < stop_ns)
        ]
        channels = {number: {id for file, id in wanted if file == number} for number in range(len(self.files))}
        held: list[Stored] = []
        bytes_held = 0
        for part in sorted(parts, key=lambda p: (p[2].first_ns, p[0])):
            while held and held[0].log_ns < part[2].first_ns:
                bytes_held -= len(held[0].data)
                yield heapq.heappop(held)
            for message in self._read(*part, channels[part[1]]):
                if message.connection in wanted and _within(message.log_ns, start_ns, stop_ns):
                    heapq.heappush(held, message)
                    bytes_held += len(message.data)
            if bytes_held > MAX_HELD_BYTES:
                raise VipaError(
                    f"{self.files[part[1]].path}: its chunks overlap in time by more than {MAX_HELD_BYTES} bytes"
                )
        while held:
            yield heapq.heappop(held)


def _within(at: int, start_ns: int | None, stop_ns: int | None) -> bool:
    return (start_ns is None or at >= start_ns) and (stop_ns is None or at < stop_ns)


def _connection(file: McapFile, id: int) -> ConnectionInfo:
    channel = file.channels[id]
    schema = file.schemas.get(channel.schema_id)
    count = file.counts.get(id, 0)
    if schema is None:
        return ConnectionInfo(channel.topic, "", channel.message_encoding, "", "", count)
    text = schema.data.decode("utf-8", "replace")
    return ConnectionInfo(channel.topic, schema.name, channel.message_encoding, schema.encoding, text, count)


class RosbagsStorage:
    """What `rosbags` reads: SQLite, and bags whose files or messages are compressed. Its file order is that of log times."""

    def __init__(self, folder: Path):
        """Raises VipaError."""
        self.cut: tuple[int, int] | None = None
        try:
            self._reader = Reader(folder)
            self._reader.open()
        except _NO_ERRORS as error:
            raise VipaError(f"bag {folder}: {' '.join(str(error).split())}") from None
        self._found = list(self._reader.connections)
        self._match()
        self.connections = {}
        for key, c in enumerate(self._found):
            kind = {MessageDefinitionFormat.MSG: "ros2msg", MessageDefinitionFormat.IDL: "ros2idl"}.get(
                c.msgdef.format, ""
            )
            encoding = getattr(c.ext, "serialization_format", "cdr")
            self.connections[key] = ConnectionInfo(c.topic, c.msgtype, encoding, kind, c.msgdef.data, c.msgcount)
        counted = bool(self._reader.message_count)
        self.start_ns = self._reader.start_time if counted else 0
        self.end_ns = self._reader.end_time - 1 if counted else 0  # rosbags' end is exclusive
        self._folder = folder

    def close(self) -> None:
        self._reader.close()

    def _match(self) -> None:
        """A topic is known by name and type: the library gives no message of one whose QoS metadata.yaml tells otherwise than the file."""
        known = {(c.topic, c.msgtype): c for c in self._found}
        for storage in getattr(self._reader.storage, "storages", ()):
            like = [(c, known.get((c.topic, c.msgtype), c)) for c in storage.connections]
            storage.connections = [c._replace(ext=same.ext, digest=same.digest) for c, same in like]

    def in_file_order(self) -> Iterator[Stored]:
        yield from self.in_time_order(self.connections, None, None)

    def in_time_order(self, wanted: Collection, start_ns: int | None, stop_ns: int | None) -> Iterator[Stored]:
        keys = {id(self._found[key]): key for key in wanted}
        chosen = [self._found[key] for key in wanted]
        if not chosen:
            return
        try:
            for index, (connection, log_ns, data) in enumerate(self._reader.messages(chosen, start_ns, stop_ns)):
                if self.cut is not None and (log_ns, 0) >= self.cut:
                    return
                yield Stored(log_ns, (log_ns, index), keys[id(connection)], bytes(data))
        except VipaError:
            raise
        except Exception as error:  # noqa: BLE001 - SQLite and decompression raise errors of their own
            raise VipaError(f"bag {self._folder}: {' '.join(str(error).split()) or type(error).__name__}") from None
