"""Finds what is whole in an MCAP file that may be damaged anywhere. Nothing in the file makes it raise.

A chunk is whole if its CRC agrees and its records are what they say. Messages outside chunks carry no CRC: one is taken as
whole if a record follows where it ends. After damage the next record is looked for byte by byte: a place counts when several
records follow each other from there, or when it is a whole chunk.
"""

import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator

from mcap.opcode import Opcode
from mcap.records import Channel, Schema
from mcap.writer import MCAP0_MAGIC

from vipa.recording import mcap_records as records
from vipa.recording.mcap_records import Damaged, Head, RawMessage

MIN_CHAIN = 3  # records that follow each other, so that their beginning is believed
_CANDIDATE = re.compile(rb"[\x01-\x0f][\x00-\xff]{5}\x00\x00\x00")  # a known kind, and a length below a terabyte
_BLOCK = 1 << 22
_LENGTHS = {Opcode.DATA_END: 4, Opcode.FOOTER: 20}
_STATISTICS = struct.Struct("<QHIIIIQQI")


class Salvage:
    """What is whole in `data`, an MCAP file as a buffer that outlives this.

    channels, schemas: by id. counts: messages by channel id. chunks: whole ones, bad_chunks: others. loose: messages outside
    chunks. lost_bytes: of nothing that is known. torn_bytes: of the record at the end that was not written to its end.
    recorded: messages that the file's own statistics name, if they could be read. first_ns, last_ns: log times.
    sound: nothing was found damaged. complete: the file ends as a whole one does. crc_agrees: that of all data, if there is one.
    """

    def __init__(self, data):
        self._data, self._size = data, len(data)
        self.channels: dict[int, Channel] = {}
        self.schemas: dict[int, Schema] = {}
        self.counts: Counter[int] = Counter()
        self.chunks = self.bad_chunks = self.loose = self.lost_bytes = self.torn_bytes = 0
        self.recorded: int | None = None
        self.first_ns, self.last_ns = 0, 0
        self.complete, self.crc_agrees = False, True
        self._spans: list[Head] = []  # chunks, and runs of messages outside them
        self._walk()

    @property
    def sound(self) -> bool:
        return self.complete and self.crc_agrees and not (self.bad_chunks or self.lost_bytes or self.torn_bytes)

    @property
    def messages(self) -> int:
        return sum(self.counts.values())

    def records(self) -> Iterator[RawMessage]:
        """All messages that were found, in the order they were written."""
        for span in self._spans:
            if span.opcode == Opcode.CHUNK:
                yield from (r for r in self._chunk(span) or () if isinstance(r, RawMessage))
                continue
            at = span.start
            while at < span.end:
                head = records.head_at(self._data, at, span.end)
                yield records.message(self._data, head)
                at = head.end

    def _walk(self) -> None:
        at = len(MCAP0_MAGIC)
        if self._size < at and MCAP0_MAGIC.startswith(self._data[:at]):
            self.torn_bytes = self._size
        elif self._data[:at] != MCAP0_MAGIC:
            self.lost_bytes = min(at, self._size)
        while at < self._size:
            if _is_end(self._data, at, self._size):
                return
            head = records.head_at(self._data, at, self._size)
            end = self._accept(head) if head else None
            at = self._lose(at, head) if end is None else end

    def _accept(self, head: Head) -> int | None:
        """Takes in the record if it is whole; returns where the next one is looked for."""
        if head.opcode == Opcode.CHUNK:
            found = self._chunk(head)
            if found is None:
                return None
            self.chunks += 1
            self._spans.append(head)
            for record in found:
                self._learn(record)
            return head.end
        if not _is_shaped(self._data, head):
            return None
        if head.opcode == Opcode.MESSAGE:
            return self._accept_message(head)
        if head.opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            self._learn((records.schema if head.opcode == Opcode.SCHEMA else records.channel)(self._data, head))
        elif head.opcode == Opcode.DATA_END:
            crc = int.from_bytes(self._data[head.start : head.end], "little")
            self.crc_agrees = crc == 0 or crc == self._crc(0, head.start - records.HEAD.size)
        elif head.opcode == Opcode.STATISTICS:
            self.recorded = _STATISTICS.unpack_from(self._data, head.start)[0]
        elif head.opcode == Opcode.FOOTER:
            summary, _, crc = struct.unpack("<QQI", self._data[head.start : head.end])
            agrees = summary == 0 or (summary < head.start and crc in (0, self._crc(summary, head.end - 4)))
            self.recorded = self.recorded if agrees else None
            self.complete = agrees and _is_end(self._data, head.end, self._size)
        return head.end

    def _accept_message(self, head: Head) -> int | None:
        follows = head.end == self._size or _could_begin(self._data, head.end, self._size)
        if not follows:
            resume = self._next_record(head.start)
            if resume < head.end:
                return None  # its length is what is damaged: others begin within it
        self.loose += 1
        self._learn(records.message(self._data, head))
        at = head.start - records.HEAD.size
        last = self._spans[-1] if self._spans else None
        if last is not None and last.opcode == Opcode.MESSAGE and last.end == at:
            self._spans[-1] = last._replace(end=head.end)
        else:
            self._spans.append(Head(Opcode.MESSAGE, at, head.end))
        return head.end

    def _learn(self, record: Schema | Channel | RawMessage) -> None:
        if isinstance(record, Schema):
            self.schemas.setdefault(record.id, record)
        elif isinstance(record, Channel):
            self.channels.setdefault(record.id, record)
        else:
            first = not self.counts
            self.counts[record.channel] += 1
            self.first_ns = record.log_ns if first else min(self.first_ns, record.log_ns)
            self.last_ns = record.log_ns if first else max(self.last_ns, record.log_ns)

    def _chunk(self, head: Head) -> list[Schema | Channel | RawMessage] | None:
        """What stands in a chunk; None if it is damaged."""
        try:
            info = records.chunk_info(self._data, head)
            found = list(records.chunk_records(records.chunk_content(self._data, info)))
        except Damaged:
            return None
        times = [r.log_ns for r in found if isinstance(r, RawMessage)]
        return found if not times or info.first_ns <= min(times) <= max(times) <= info.last_ns else None

    def _lose(self, at: int, head: Head | None) -> int:
        """Counts what is damaged from `at`; returns where to go on."""
        if head is not None and head.opcode == Opcode.CHUNK:
            self.bad_chunks += 1
            # what stands in a damaged chunk is not looked for, unless it is its length that is damaged
            resume = head.end if self._is_believable(head.end) else self._next_record(at + 1)
        else:
            resume = self._next_record(at + 1)
        if resume == self._size and _is_torn(self._data, at, self._size):
            self.torn_bytes += self._size - at
        else:
            self.lost_bytes += resume - at
        return resume

    def _next_record(self, at: int) -> int:
        """Where the next believable record begins, at or after `at`; the file's size if nowhere."""
        while match := _CANDIDATE.search(self._data, at):
            if self._is_believable(match.start()):
                return match.start()
            at = match.start() + 1
        return self._size

    def _is_believable(self, at: int) -> bool:
        for _ in range(MIN_CHAIN):
            if _is_end(self._data, at, self._size):
                return True
            head = records.head_at(self._data, at, self._size)
            if head is None or not _is_shaped(self._data, head):
                return False
            if head.opcode == Opcode.CHUNK:
                return self._chunk(head) is not None
            at = head.end
        return True

    def _crc(self, start: int, end: int) -> int:
        crc = 0
        for at in range(start, end, _BLOCK):
            crc = zlib.crc32(self._data[at : min(at + _BLOCK, end)], crc)
        return crc


def _is_end(data, at: int, size: int) -> bool:
    return size - at == len(MCAP0_MAGIC) and data[at:size] == MCAP0_MAGIC


def _is_torn(data, at: int, size: int) -> bool:
    """Whether a record begins at `at` that the file is too short for, as when its writer was killed."""
    if at + records.HEAD.size > size:
        return True
    opcode, length = records.HEAD.unpack_from(data, at)
    return Opcode.HEADER <= opcode <= Opcode.DATA_END and length < 1 << 40 and at + records.HEAD.size + length > size


def _could_begin(data, at: int, size: int) -> bool:
    """Whether a record, whole or torn, or the end of the file may begin at `at`."""
    head = records.head_at(data, at, size)
    if head is None:
        return _is_end(data, at, size) or _is_torn(data, at, size)
    return _is_shaped(data, head)


def _is_shaped(data, head: Head) -> bool:
    """Whether the record's content has the form of its kind. Of a chunk: its head."""
    length = head.end - head.start
    try:
        if head.opcode == Opcode.CHUNK:
            records.chunk_info(data, head)
        elif head.opcode == Opcode.MESSAGE:
            records.message_times(data, head)
        elif head.opcode == Opcode.SCHEMA:
            records.schema(data, head)
        elif head.opcode == Opcode.CHANNEL:
            records.channel(data, head)
        elif head.opcode == Opcode.MESSAGE_INDEX:
            return records.is_message_index(data, head)
        elif head.opcode == Opcode.STATISTICS:
            return (
                length >= _STATISTICS.size
                and _STATISTICS.unpack_from(data, head.start)[-1] == length - _STATISTICS.size
            )
        else:
            return records.is_shaped(data, head, _LENGTHS.get(head.opcode))
    except Damaged:
        return False
    return True
