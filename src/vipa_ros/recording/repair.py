"""Makes a valid bag of one that was cut off mid-write (kill -9, power, full disk) or damaged.

What is kept: every message of every chunk that is whole (its CRC agrees). What is lost: the torn chunk at the end,
which BagWriter keeps to half a second. Index, footer and metadata.yaml are written anew. Topics and schemas stand in
the chunk of their first message, so damage there (not a cut, which only takes the end) costs their messages.
"""

import mmap
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import breakup_chunk
from mcap.writer import MCAP0_MAGIC, CompressionType, Writer

from vipa_ros.errors import VipaError
from vipa_ros.recording.bag import CHUNK_BYTES
from vipa_ros.recording.metadata import TopicEntry, bag_information, dump, read_metadata, write_metadata

_HEAD = struct.Struct("<BQ")
_CHUNK_MARKS = (b"\x04\0\0\0zstd", b"\x03\0\0\0lz4")  # the compression field, this far into a chunk record:
_MARK_OFFSET = _HEAD.size + 28


@dataclass(frozen=True)
class RepairReport:
    """What `repair` found and did.

    repaired: False if nothing had to be done. messages, chunks: kept. bad_chunks: damaged ones left out.
    lost_bytes: bytes of the old file that belong to nothing that was kept. original: where the old file is, if it was
    kept.
    """

    folder: Path
    repaired: bool
    messages: int
    chunks: int
    bad_chunks: int
    lost_bytes: int
    duration: float
    original: Path | None = None

    def __str__(self) -> str:
        if not self.repaired:
            return f"{self.folder}: whole, {self.messages} messages, {self.duration:.2f} s"
        kept = f"; the old file is {self.original}" if self.original else ""
        return (
            f"{self.folder}: repaired, {self.messages} messages ({self.duration:.2f} s) in {self.chunks} chunks kept, "
            f"{self.bad_chunks} damaged chunks and {self.lost_bytes} bytes lost{kept}"
        )


def repair(folder: Path, keep_original: bool = True) -> RepairReport:
    """Repairs the bag in `folder`; a whole bag is left as it is, so a second call does nothing.

    The old file stays beside the new one as `<name>.mcap.broken` unless `keep_original` is False. Damage of any kind
    does not raise; a bag of which nothing can be read becomes an empty one. Raises VipaError if `folder` has no MCAP
    file, has several, or cannot be written.
    """
    folder = Path(folder)
    paths = sorted(folder.glob("*.mcap"))
    if len(paths) != 1:
        raise VipaError(f"bag {folder}: {len(paths)} .mcap files; a bag that can be repaired has exactly one")
    path = paths[0]
    try:
        return _repair(folder, path, keep_original)
    except OSError as error:
        raise VipaError(f"bag {folder}: {error.strerror}") from None


def _repair(folder: Path, path: Path, keep_original: bool) -> RepairReport:
    old = read_metadata(folder) or {}
    custom_data = old.get("custom_data")
    custom_data = {str(k): str(v) for k, v in custom_data.items()} if isinstance(custom_data, dict) else {}
    new = path.with_name(path.name + ".repairing")
    with path.open("rb") as file:
        scan = _Scan(file)
        if scan.whole and _metadata_agrees(old, path, scan):
            return RepairReport(folder, False, scan.messages, scan.chunks, 0, 0, scan.duration)
        custom_data["repaired"] = "true"
        written = _rewrite(scan, new, path.name, custom_data)
    original = None
    if keep_original:
        original = path.with_name(path.name + ".broken")
        original.unlink(missing_ok=True)
        try:
            os.link(path, original)  # so that at no moment there is no bag
        except OSError:
            shutil.copy2(path, original)
    os.replace(new, path)
    write_metadata(folder, written)
    duration = written["duration"]["nanoseconds"] / 1e9
    return RepairReport(
        folder, True, written["message_count"], scan.chunks, scan.bad_chunks, scan.lost_bytes, duration, original
    )


def _metadata_agrees(information: dict, path: Path, scan: "_Scan") -> bool:
    names = information.get("relative_file_paths")
    return names == [path.name] and information.get("message_count") == scan.messages


class _Scan:
    """Goes through an MCAP file once and counts; `records()` goes through it again. Nothing in the file makes it
    raise.
    """

    def __init__(self, file):
        size = os.fstat(file.fileno()).st_size
        self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        self.messages = self.chunks = self.bad_chunks = self.lost_bytes = 0
        self._spans: list[tuple[int, int]] = []
        self._ended = False
        times = [r.log_time for r in self._walk() if isinstance(r, Message)]
        self.messages = len(times)
        self.duration = (max(times) - min(times)) / 1e9 if times else 0.0
        self.whole = self._ended and not self.bad_chunks and not self.lost_bytes

    def records(self) -> Iterator[McapRecord]:
        """Schemas, channels and messages of the whole chunks, in the file's order."""
        for start, end in self._spans:
            yield from _chunk_records(self._data[start:end]) or ()

    def _walk(self) -> Iterator[McapRecord]:
        data, size = self._data, len(self._data)
        at, intact = len(MCAP0_MAGIC), False
        self.lost_bytes = 0 if data[:at] == MCAP0_MAGIC else min(at, size)
        while at < size:
            opcode, length = _HEAD.unpack_from(data, at) if at + _HEAD.size <= size else (0, 0)
            end = at + _HEAD.size + length
            if not Opcode.HEADER <= opcode <= Opcode.DATA_END or end > size:
                resume = self._next_chunk(at + 1)
                self.lost_bytes += resume - at
                at = resume
                continue
            if opcode == Opcode.DATA_END:
                data_crc = int.from_bytes(data[at + _HEAD.size : end][:4], "little")
                intact = data_crc in (0, zlib.crc32(data[:at]))
            if opcode == Opcode.FOOTER and data[end:size] == MCAP0_MAGIC:
                self._ended = intact and _summary_is_intact(data[:end])
                return
            if opcode == Opcode.CHUNK:
                records = _chunk_records(data[at + _HEAD.size : end])
                if records is None:
                    # the length itself may be what is damaged: what follows is looked for, not jumped to
                    self.bad_chunks += 1
                    resume = min(end, self._next_chunk(at + 1))
                    self.lost_bytes += resume - at
                    at = resume
                    continue
                self.chunks += 1
                self._spans.append((at + _HEAD.size, end))
                yield from records
            at = end

    def _next_chunk(self, at: int) -> int:
        """Where the next compressed chunk may begin, at or after `at`; the file's size if nowhere."""
        found = (self._data.find(mark, at + _MARK_OFFSET) for mark in _CHUNK_MARKS)
        starts = [where - _MARK_OFFSET for where in found if where >= 0]
        starts = [s for s in starts if self._data[s] == Opcode.CHUNK]
        return min(starts, default=len(self._data))


def _summary_is_intact(data: bytes) -> bool:
    """Whether the summary (index) of a file agrees with the CRC in its footer; `data` ends with the footer."""
    start, _, crc = struct.unpack("<QQI", data[-20:])
    return 0 < start < len(data) and crc in (0, zlib.crc32(data[start:-4]))


def _chunk_records(content: bytes) -> list[McapRecord] | None:
    """What stands in a chunk record, or None if it is damaged."""
    try:
        name_length = int.from_bytes(content[28:32], "little")
        declared = int.from_bytes(content[32 + name_length : 40 + name_length], "little")
        if declared != len(content) - 40 - name_length:
            return None
        chunk = Chunk.read(ReadDataStream(BytesIO(content)))
        return breakup_chunk(chunk, validate_crc=True)
    except Exception:  # noqa: BLE001 - a damaged chunk may make its decoders raise anything
        return None


def _rewrite(scan: _Scan, path: Path, name: str, custom_data: dict[str, str]) -> dict:
    """Writes all that `scan` found to `path` as a complete file; returns the information for metadata.yaml."""
    schemas: dict[int, tuple[Schema, int]] = {}
    channels: dict[int, tuple[Channel, int]] = {}
    counts: dict[int, int] = {}
    first = last = None
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD, enable_data_crcs=True)
        writer.start(profile="ros2", library="vipa")
        for record in scan.records():
            if isinstance(record, Schema) and record.id not in schemas:
                schemas[record.id] = record, writer.register_schema(record.name, record.encoding, record.data)
            elif isinstance(record, Channel) and record.id not in channels and record.schema_id in schemas:
                new_id = writer.register_channel(
                    record.topic, record.message_encoding, schemas[record.schema_id][1], record.metadata
                )
                channels[record.id] = record, new_id
                counts[record.id] = 0
            elif isinstance(record, Message) and record.channel_id in channels:
                new_id = channels[record.channel_id][1]
                writer.add_message(new_id, record.log_time, record.data, record.publish_time, record.sequence)
                counts[record.channel_id] += 1
                first = record.log_time if first is None else min(first, record.log_time)
                last = record.log_time if last is None else max(last, record.log_time)
        topics = [
            TopicEntry(
                channel.topic,
                schemas[channel.schema_id][0].name,
                channel.metadata.get("offered_qos_profiles", ""),
                channel.metadata.get("topic_type_hash", ""),
                counts[number],
            )
            for number, (channel, _) in channels.items()
        ]
        information = bag_information(name, topics, first or 0, last or 0, custom_data)
        writer.flush()
        writer.add_metadata("rosbag2", {"serialized_metadata": dump(information)})
        writer.finish()
        file.flush()
        os.fsync(file.fileno())
    return information
