"""A whole MCAP file, read strictly: any damage is a VipaError that names the file. (Damaged ones: `recording.salvage`.)

The file is a row of parts in the order they were written: a chunk, or a run of messages outside chunks. A part is decoded
at a time, so memory does not grow with the file.
"""

import mmap
import os
import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from mcap.opcode import Opcode
from mcap.records import Channel, Schema
from mcap.writer import MCAP0_MAGIC

from vipa.errors import VipaError
from vipa.recording import mcap_records as records
from vipa.recording.mcap_records import ChunkInfo, Damaged, Head, RawMessage

RUN_BYTES = 4 << 20  # of messages outside chunks that make a part
_FOOTER = struct.Struct("<QQI")
_STATISTICS = struct.Struct("<QHIIIIQQI")


class Part(NamedTuple):
    """A chunk, or (chunk None) the records from `start` to `end`. Times: its first and last log time, nanoseconds."""

    first_ns: int
    last_ns: int
    start: int
    end: int
    chunk: ChunkInfo | None


class McapFile:
    """A file, open for reading. channels, schemas: by id. counts: messages by channel id. first_ns, last_ns: log times, 0 if
    it holds no message.
    """

    def __init__(self, path: Path):
        """Raises VipaError if the file cannot be read, is cut off or is damaged."""
        self.path = Path(path)
        self.channels: dict[int, Channel] = {}
        self.schemas: dict[int, Schema] = {}
        self.counts: dict[int, int] = {}
        self.parts: list[Part] = []
        self._verified: set[int] = set()  # starts of the chunks whose CRC was found right
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        except OSError as error:
            raise VipaError(f"{self.path}: {error.strerror}") from None
        try:
            self._open(size)
        except Damaged as error:
            self.close()
            raise self._error(error) from None
        filled = [p for p in self.parts if p.last_ns]
        self.first_ns = min((p.first_ns for p in filled), default=0)
        self.last_ns = max((p.last_ns for p in filled), default=0)

    def close(self) -> None:
        if self._data:
            self._data.close()
        self._data = b""

    def read(self, part: Part, channels: Collection[int] | None = None) -> list[RawMessage | None]:
        """The messages of a part, in the order they were written; None in the place of one of another channel than `channels`
        (None: all). Raises VipaError if it is damaged."""
        try:
            return [m for m in self._records(part, channels) if m is None or isinstance(m, RawMessage)]
        except Damaged as error:
            raise self._error(error) from None

    def _error(self, damage: Damaged) -> VipaError:
        return VipaError(f"{self.path}: {damage}; `vipa bag repair` keeps what is whole")

    def _records(
        self, part: Part, channels: Collection[int] | None = None
    ) -> Iterator[Schema | Channel | RawMessage | None]:
        if part.chunk is None:
            at = part.start
            while at < part.end:
                head = records.head_at(self._data, at, part.end)
                if head.opcode == Opcode.MESSAGE:
                    yield records.message(self._data, head)
                at = head.end
            return
        content = records.chunk_content(self._data, part.chunk, verify=part.start not in self._verified)
        self._verified.add(part.start)
        for record in records.chunk_records(content, channels):
            if isinstance(record, RawMessage) and not part.first_ns <= record.log_ns <= part.last_ns:
                raise Damaged("a chunk whose head gives wrong times")
            yield record

    def _open(self, size: int) -> None:
        data, magic = self._data, len(MCAP0_MAGIC)
        if data[:magic] != MCAP0_MAGIC:
            raise Damaged("is no MCAP file")
        if size < 2 * magic or data[size - magic :] != MCAP0_MAGIC:
            raise Damaged("is cut off")
        at = self._walk_data(magic, size)
        counted = self._walk_summary(at, size)
        if not counted or not all(c.schema_id in {0, *self.schemas} for c in self.channels.values()):
            self._count()

    def _walk_data(self, at: int, size: int) -> int:
        """Finds the parts; returns where the summary begins."""
        run: list[int] = []  # start, end, first, last of the messages since the last chunk
        while True:
            head = self._head(at, size)
            if run and (head.opcode == Opcode.CHUNK or run[1] - run[0] > RUN_BYTES):
                self._end_run(run)
                run = []
            if head.opcode == Opcode.CHUNK:
                chunk = records.chunk_info(self._data, head)
                self.parts.append(Part(chunk.first_ns, chunk.last_ns, head.start, head.end, chunk))
            elif head.opcode == Opcode.MESSAGE:
                _, log_ns = records.message_times(self._data, head)
                run = run or [at, head.end, log_ns, log_ns]
                run[1:] = head.end, min(run[2], log_ns), max(run[3], log_ns)
            else:
                self._learn(head)
                if run:
                    self._end_run(run)
                    run = []
            at = head.end
            if head.opcode == Opcode.DATA_END:
                return at

    def _end_run(self, run: list[int]) -> None:
        start, end, first, last = run
        self.parts.append(Part(first, last, start, end, None))

    def _walk_summary(self, at: int, size: int) -> bool:
        """Reads the summary; returns whether it counts the messages."""
        start, counted = at, False
        while True:
            head = self._head(at, size)
            self._learn(head)
            if head.opcode == Opcode.STATISTICS:
                self._statistics(head)
                counted = True
            at = head.end
            if head.opcode == Opcode.FOOTER:
                break
        if head.end != size - len(MCAP0_MAGIC) or head.end - head.start != _FOOTER.size:
            raise Damaged("the end of the file")
        summary, _, crc = _FOOTER.unpack_from(self._data, head.start)
        if summary not in (0, start) or (summary and crc not in (0, zlib.crc32(self._data[start : head.end - 4]))):
            raise Damaged("the index")
        return counted

    def _head(self, at: int, size: int) -> Head:
        head = records.head_at(self._data, at, size)
        if head is None and at + records.HEAD.size <= size:
            opcode, length = records.HEAD.unpack_from(self._data, at)
            if opcode >= 0x80 and at + records.HEAD.size + length <= size:  # somebody's own records
                return Head(opcode, at + records.HEAD.size, at + records.HEAD.size + length)
        if head is None:
            raise Damaged(f"no record at byte {at}")
        return head

    def _learn(self, head: Head) -> None:
        if head.opcode == Opcode.SCHEMA:
            schema = records.schema(self._data, head)
            self.schemas.setdefault(schema.id, schema)
        elif head.opcode == Opcode.CHANNEL:
            channel = records.channel(self._data, head)
            self.channels.setdefault(channel.id, channel)
        elif head.opcode == Opcode.MESSAGE_INDEX and not records.is_message_index(self._data, head):
            raise Damaged("a message index")

    def _statistics(self, head: Head) -> None:
        if head.end - head.start < _STATISTICS.size:
            raise Damaged("the statistics")
        length = _STATISTICS.unpack_from(self._data, head.start)[-1]
        pairs = self._data[head.start + _STATISTICS.size : head.end]
        if length != len(pairs) or length % 10:
            raise Damaged("the statistics")
        self.counts = dict(struct.iter_unpack("<HQ", pairs))

    def _count(self) -> None:
        """Goes through all messages: for files whose summary does not say what they hold."""
        counts: Counter[int] = Counter()
        for part in self.parts:
            for record in self._records(part):
                if isinstance(record, RawMessage):
                    counts[record.channel] += 1
                elif isinstance(record, Schema):
                    self.schemas.setdefault(record.id, record)
                else:
                    self.channels.setdefault(record.id, record)
        self.counts = dict(counts)
