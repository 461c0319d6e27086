"""What stands in the records of an MCAP file, read with bounds: no record makes this raise anything but `Damaged`, or take
more memory than MAX_CHUNK_BYTES says.

Offsets and lengths are bytes. `data` is the file as a buffer (a memory map); a record is its opcode (1 byte), the length of
its content (8 bytes), and the content.
"""

import struct
import zlib
from collections.abc import Collection, Iterator
from io import BytesIO
from typing import NamedTuple

import zstandard
from lz4.frame import LZ4FrameDecompressor
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import (
    Attachment,
    AttachmentIndex,
    Channel,
    ChunkIndex,
    Header,
    McapRecord,
    Metadata,
    MetadataIndex,
    Schema,
    SummaryOffset,
)

HEAD = struct.Struct("<BQ")
MAX_CHUNK_BYTES = 128 << 20  # uncompressed; writers close a chunk at some MB, or after one message that is larger
COMPRESSIONS = ("", "zstd", "lz4")

_CHUNK = struct.Struct("<QQQII")  # start time, end time, uncompressed size, its CRC, length of the compression's name
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_MESSAGE_OPCODE = int(Opcode.MESSAGE)


class Damaged(Exception):
    """A record is not what it says it is."""


class Head(NamedTuple):
    """A record's place: content from `start` to `end`."""

    opcode: int
    start: int
    end: int


class ChunkInfo(NamedTuple):
    """The head of a chunk; its compressed data from `start` to `end`. Times: log times of its messages, nanoseconds."""

    first_ns: int
    last_ns: int
    size: int
    crc: int
    compression: str
    start: int
    end: int


class RawMessage(NamedTuple):
    """A message as it stands in the file. Times in nanoseconds."""

    channel: int
    sequence: int
    log_ns: int
    publish_ns: int
    data: bytes


def head_at(data, at: int, size: int) -> Head | None:
    """The record that begins at `at`, or None if no known record that ends before `size` can."""
    if at + HEAD.size > size:
        return None
    opcode, length = HEAD.unpack_from(data, at)
    end = at + HEAD.size + length
    return Head(opcode, at + HEAD.size, end) if Opcode.HEADER <= opcode <= Opcode.DATA_END and end <= size else None


def chunk_info(data, head: Head) -> ChunkInfo:
    """Raises Damaged."""
    fixed = head.start + _CHUNK.size
    if fixed > head.end:
        raise Damaged("a chunk without a head")
    first, last, size, crc, name_length = _CHUNK.unpack_from(data, head.start)
    start = fixed + name_length + 8
    if name_length > 8 or start > head.end:
        raise Damaged("the head of a chunk")
    compression = bytes(data[fixed : fixed + name_length]).decode("ascii", "replace")
    if compression not in COMPRESSIONS:
        raise Damaged(f"chunk compression '{compression}'; allowed: zstd, lz4, none")
    if int.from_bytes(data[start - 8 : start], "little") != head.end - start:
        raise Damaged("the length of a chunk")
    if size > MAX_CHUNK_BYTES:
        raise Damaged(f"a chunk of {size} bytes; allowed: at most {MAX_CHUNK_BYTES}")
    return ChunkInfo(first, last, size, crc, compression, start, head.end)


def chunk_content(data, chunk: ChunkInfo, verify: bool = True) -> bytes:
    """The records of a chunk, decompressed. verify: look at its CRC. Raises Damaged."""
    packed = bytes(data[chunk.start : chunk.end])
    try:
        content = _decompress(packed, chunk.compression, chunk.size)
    except (zstandard.ZstdError, RuntimeError, EOFError, ValueError, MemoryError) as error:
        raise Damaged(f"a chunk that cannot be decompressed ({error})") from None
    if len(content) != chunk.size:
        raise Damaged(f"a chunk that says {chunk.size} bytes and holds others")
    if verify and chunk.crc and zlib.crc32(content) != chunk.crc:
        raise Damaged("a chunk whose CRC does not agree")
    return content


def _decompress(packed: bytes, compression: str, size: int) -> bytes:
    """At most size + 1 bytes, so that a lie about the size costs no memory."""
    if compression == "":
        return packed
    if compression == "lz4":
        return LZ4FrameDecompressor().decompress(packed, max_length=size + 1)
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_CHUNK_BYTES)
    if zstandard.frame_content_size(packed) == size:
        return decompressor.decompress(packed)
    with decompressor.stream_reader(packed) as reader:
        return reader.read(size + 1)


def chunk_records(
    content: bytes, channels: Collection[int] | None = None
) -> Iterator[Schema | Channel | RawMessage | None]:
    """Schemas, channels and messages of a chunk's content, in their order; None for a message of another channel than `channels`
    (None: all). Raises Damaged."""
    at, size = 0, len(content)
    while at < size:
        if at + HEAD.size > size:
            raise Damaged("a chunk that ends within a record")
        opcode, length = HEAD.unpack_from(content, at)
        start, at = at + HEAD.size, at + HEAD.size + length
        if at > size:
            raise Damaged("a chunk that ends within a record")
        if opcode == _MESSAGE_OPCODE:
            if channels is not None and int.from_bytes(content[start : start + 2], "little") not in channels:
                yield None
            else:
                yield message(content, Head(opcode, start, at))
        elif opcode == Opcode.SCHEMA:
            yield schema(content, Head(opcode, start, at))
        elif opcode == Opcode.CHANNEL:
            yield channel(content, Head(opcode, start, at))
        else:
            raise Damaged(f"a chunk that holds a record of kind {opcode}")


def message(data, head: Head) -> RawMessage:
    """Raises Damaged."""
    start = head.start + _MESSAGE.size
    if start > head.end:
        raise Damaged("a message without a head")
    return RawMessage(*_MESSAGE.unpack_from(data, head.start), bytes(data[start : head.end]))


def message_times(data, head: Head) -> tuple[int, int]:
    """(channel, log time) of a message. Raises Damaged."""
    if head.start + _MESSAGE.size > head.end:
        raise Damaged("a message without a head")
    number, _, log_ns, _ = _MESSAGE.unpack_from(data, head.start)
    return number, log_ns


def schema(data, head: Head) -> Schema:
    """Raises Damaged."""
    return _parsed(Schema, data, head)


def channel(data, head: Head) -> Channel:
    """Raises Damaged."""
    return _parsed(Channel, data, head)


def _parsed(kind: type[McapRecord], data, head: Head):
    content = bytes(data[head.start : head.end])
    stream = ReadDataStream(BytesIO(content))
    try:
        record = kind.read(stream)
    except Exception as error:  # noqa: BLE001 - the library's readers raise whatever the bytes lead them to
        raise Damaged(f"a {kind.__name__.lower()} ({error or type(error).__name__})") from None
    if stream.count != len(content):
        raise Damaged(f"the length of a {kind.__name__.lower()}")
    return record


def is_message_index(data, head: Head) -> bool:
    """Whether a message index is as long as it says."""
    length = head.end - head.start
    return length >= 6 and int.from_bytes(data[head.start + 2 : head.start + 6], "little") == length - 6


_OTHERS = {
    Opcode.HEADER: Header,
    Opcode.CHUNK_INDEX: ChunkIndex,
    Opcode.ATTACHMENT: Attachment,
    Opcode.ATTACHMENT_INDEX: AttachmentIndex,
    Opcode.METADATA: Metadata,
    Opcode.METADATA_INDEX: MetadataIndex,
    Opcode.SUMMARY_OFFSET: SummaryOffset,
}


def is_shaped(data, head: Head, length: int | None) -> bool:
    """Whether a record of a kind that is not needed here is as long as it should be (`length`), or as it says itself."""
    if length is not None:
        return head.end - head.start == length
    try:
        _parsed(_OTHERS[head.opcode], data, head)
    except Damaged:
        return False
    return True
