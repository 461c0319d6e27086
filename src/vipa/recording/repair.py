"""Makes a valid bag of one that was cut off mid-write (kill -9, power, full disk), damaged, or lost its metadata.yaml.

What is kept: every message of every whole chunk, and every whole message outside chunks (`recording.salvage`). What is
lost: damaged chunks, and what was torn at the end, which BagWriter keeps to half a second. Index, footer and metadata.yaml
are written anew. The old files stay beside the new ones.
"""

import mmap
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from mcap.writer import CompressionType, Writer

from vipa.errors import VipaError
from vipa.recording import in_use
from vipa.recording.bag import CHUNK_BYTES
from vipa.recording.mcap_records import MAX_CHUNK_BYTES
from vipa.recording.metadata import (
    TopicEntry,
    bag_information,
    dump,
    is_plain_mcap,
    joined,
    read_metadata,
    write_metadata,
)
from vipa.recording.salvage import Salvage
from vipa.recording.storage import natural_order


@dataclass
class RepairResult:
    """What `repair` found and did.

    repaired: False if nothing had to be done. found, kept: messages. chunks: whole ones, bad_chunks: damaged ones, left out.
    lost_bytes: that belong to nothing that is known. torn_bytes: at the end, of what was not written to its end. duration:
    seconds. originals: where the old files are. remarks: what else a person should know. doubtful: something that was kept
    may be changed.
    """

    folder: Path
    repaired: bool = False
    found: int = 0
    kept: int = 0
    chunks: int = 0
    bad_chunks: int = 0
    lost_bytes: int = 0
    torn_bytes: int = 0
    duration: float = 0.0
    originals: list[Path] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    doubtful: bool = False

    @property
    def complete(self) -> bool:
        """Whether all that was found is kept. What was torn at the end does not count: its writer never finished it."""
        return not self.bad_chunks and not self.lost_bytes and self.kept >= self.found and not self.doubtful

    def __str__(self) -> str:
        if not self.repaired:
            return f"{self.folder}: whole, {self.kept} messages, {self.duration:.2f} s"
        of = f" of {self.found}" if self.found > self.kept else ""
        lines = [
            f"{self.folder}: repaired, {self.kept}{of} messages ({self.duration:.2f} s) kept, {self.chunks} whole chunks"
        ]
        if self.bad_chunks or self.lost_bytes:
            lines.append(
                f"lost: {self.bad_chunks} damaged chunks; {self.lost_bytes} bytes that belong to nothing whole"
            )
        if self.torn_bytes:
            lines.append(f"torn at the end: {self.torn_bytes} bytes of what was not written to its end")
        lines += self.remarks
        if self.originals:
            lines.append(f"the old files: {', '.join(str(p) for p in self.originals)}")
        return "\n  ".join(lines)


def repair(folder: Path) -> RepairResult:
    """Repairs the bag in `folder`, of one MCAP file or several; what is whole is left as it is.

    An old file stays beside the new one as `<name>.broken`, or `.broken1` … where that is taken. Damage of any kind does not
    raise; a file of which nothing can be read becomes an empty one. Raises VipaError if `folder` has no MCAP file, somebody
    writes it, or it cannot be written.
    """
    folder = Path(folder)
    paths = sorted(folder.glob("*.mcap"), key=natural_order)
    if not paths:
        raise VipaError(f"bag {folder}: 0 .mcap files; a bag that can be repaired has one or more")
    try:
        return _repair(folder, paths)
    except OSError as error:
        raise VipaError(f"bag {folder}: {error.strerror or error}") from None


def _repair(folder: Path, paths: list[Path]) -> RepairResult:
    old = read_metadata(folder) or {}
    custom = old.get("custom_data")
    custom = {str(k): str(v) for k, v in custom.items()} if isinstance(custom, dict) else {}
    report = RepairResult(folder)
    parts = [_repair_file(path, {**custom, "repaired": "true"}, report) for path in paths]
    named, counted = old.get("relative_file_paths"), old.get("message_count")
    agrees = is_plain_mcap(old) and named == [p.name for p in paths] and counted == report.kept
    information = joined(parts)
    if report.repaired or not agrees:
        report.repaired = True
        if (folder / "metadata.yaml").is_file():
            report.originals.append(_keep(folder / "metadata.yaml"))
        write_metadata(folder, {**information, "custom_data": {**custom, "repaired": "true"}})
    report.duration = information["duration"]["nanoseconds"] / 1e9
    return report


def _repair_file(path: Path, custom: dict[str, str], report: RepairResult) -> dict:
    """Repairs one file if it must be, adds to the report, and returns its information for metadata.yaml."""
    new = path.with_name(path.name + ".repairing")
    with in_use.claimed(path) as file:
        before = in_use.state(file)
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if before[0] else b""
        try:
            found = Salvage(data)
            _add(report, path, found)
            counts = dict(found.counts)
            if not found.sound:
                counts = _rewrite(found, new, path.name, custom)
            information = _information(found, counts, path.name, custom)
            if in_use.state(file) != before:
                raise VipaError(f"{path}: was written while it was read; stop its recording first")
            if not found.sound:
                report.repaired = True
                report.originals.append(_keep(path))
                os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)
            if data:
                data.close()
    report.kept += information["message_count"]
    return information


def _add(report: RepairResult, path: Path, found: Salvage) -> None:
    report.found += max(found.messages, found.recorded or 0)
    report.chunks += found.chunks
    report.bad_chunks += found.bad_chunks
    report.lost_bytes += found.lost_bytes
    report.torn_bytes += found.torn_bytes
    unknown = sum(n for id, n in found.counts.items() if not _is_known(found, id))
    if unknown:
        report.remarks.append(f"{path.name}: {unknown} messages of topics whose definition is lost are not kept")
    if not found.crc_agrees and not found.bad_chunks and not found.lost_bytes and found.loose:
        report.doubtful = True
        report.remarks.append(
            f"{path.name}: its CRC does not agree: one of {found.loose} messages outside chunks is changed"
        )


def _is_known(found: Salvage, channel: int) -> bool:
    return channel in found.channels and found.channels[channel].schema_id in (0, *found.schemas)


def _keep(path: Path) -> Path:
    """Gives the file a second name that nothing has yet, and returns it: at no moment there is no bag."""
    number = 0
    while True:
        kept = path.with_name(f"{path.name}.broken{number or ''}")
        try:
            os.link(path, kept)
            return kept
        except FileExistsError:
            if kept.samefile(path):
                return kept
            number += 1
        except OSError:  # a file system without links
            with path.open("rb") as source, kept.open("xb") as copy:
                shutil.copyfileobj(source, copy)
            return kept


def _information(found: Salvage, counts: dict[int, int], name: str, custom: dict[str, str]) -> dict:
    topics = []
    for id, channel in found.channels.items():
        if _is_known(found, id):
            kind = found.schemas[channel.schema_id].name if channel.schema_id else ""
            get = channel.metadata.get
            qos, hash = get("offered_qos_profiles", ""), get("topic_type_hash", "")
            topics.append(TopicEntry(channel.topic, kind, qos, hash, counts.get(id, 0), channel.message_encoding))
    return joined([bag_information(name, topics, found.first_ns, found.last_ns, custom)])


def _rewrite(found: Salvage, path: Path, name: str, custom: dict[str, str]) -> dict[int, int]:
    """Writes all that was found to `path` as a complete file; returns the messages kept by channel id."""
    counts: dict[int, int] = {}
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD, enable_data_crcs=True)
        writer.start(profile="ros2", library="vipa")
        schemas = {id: writer.register_schema(s.name, s.encoding, s.data) for id, s in found.schemas.items()}
        channels = {
            id: writer.register_channel(c.topic, c.message_encoding, schemas.get(c.schema_id, 0), c.metadata)
            for id, c in found.channels.items()
            if _is_known(found, id)
        }
        for message in found.records():
            # one that fills a chunk beyond what is ever read is none that a recorder wrote
            if message.channel in channels and len(message.data) < MAX_CHUNK_BYTES // 2:
                new_id = channels[message.channel]
                writer.add_message(new_id, message.log_ns, message.data, message.publish_ns, message.sequence)
                counts[message.channel] = counts.get(message.channel, 0) + 1
        writer.flush()
        information = _information(found, counts, name, custom)
        writer.add_metadata("rosbag2", {"serialized_metadata": dump(information)})
        writer.finish()
        file.flush()
        os.fsync(file.fileno())
    return counts
