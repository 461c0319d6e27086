"""A repair destroys nothing: whole bags of others' writers, bags in use, former originals, several files."""

import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from mcap.records import Chunk
from mcap.stream_reader import StreamReader
from mcap.writer import Writer

from helpers.synthetic_bag import Messages
from vipa.errors import VipaError
from vipa.recording import definitions
from vipa.recording.bag import BagWriter
from vipa.recording.mcap_records import HEAD
from vipa.recording.reader import BagReader
from vipa.recording.repair import repair
from vipa_cli.cli import main

M = Messages()
STRING = "std_msgs/msg/String"


def _file(path: Path, numbers=range(50), **options) -> list[int]:
    """An MCAP file of numbered strings by the mcap library's writer, in chunks of ten unless `options` say otherwise."""
    with path.open("wb") as file:
        writer = Writer(file, **{"chunk_size": 1 << 30, "enable_data_crcs": True, **options})
        writer.start(profile="ros2", library="test")
        schema = writer.register_schema(STRING, "ros2msg", definitions.definition(STRING).encode())
        channel = writer.register_channel("/numbers", "cdr", schema)
        other = writer.register_channel("/json", "json", 0)
        for k in numbers:
            writer.add_message(channel, 10**9 + k, M.serialize(M(STRING, data=f"{k} {os.urandom(40).hex()}")), k)
            if k % 10 == 9:
                writer.add_message(other, 10**9 + k, b"{}", k)
                writer.flush()
        writer.finish()
    return list(numbers)


def _bag(folder: Path, **options) -> Path:
    folder.mkdir()
    _file(folder / "x_0.mcap", **options)
    return folder


def _numbers(folder: Path) -> list[int]:
    with BagReader(folder) as bag:
        assert bag.topics["/json"].count == sum(1 for _ in bag.raw(["/json"]))
        return [int(m.data.data.split()[0]) for m in bag.messages(["/numbers"])]


def _records(path: Path) -> list[tuple[int, int, int]]:
    """(opcode, start, end) of every record."""
    data, at, found = path.read_bytes(), 8, []
    while at < len(data) - 8:
        opcode, length = HEAD.unpack_from(data, at)
        found.append((opcode, at, at + HEAD.size + length))
        at += HEAD.size + length
    return found


def _damage(path: Path, *places: int) -> bytes:
    data = bytearray(path.read_bytes())
    for at in places:
        data[at] ^= 0x40
    path.write_bytes(data)
    return bytes(data)


def test_a_whole_bag_without_chunks_keeps_its_file(tmp_path):
    folder = _bag(tmp_path / "bag", use_chunking=False)
    content = (folder / "x_0.mcap").read_bytes()
    report = repair(folder)  # it has no metadata.yaml
    assert report.repaired and report.complete and report.kept == 55 and not report.originals
    assert (folder / "x_0.mcap").read_bytes() == content
    assert _numbers(folder) == list(range(50))
    assert not repair(folder).repaired


def test_messages_outside_chunks_are_kept(tmp_path):
    folder = _bag(tmp_path / "bag", use_chunking=False)
    path = folder / "x_0.mcap"
    messages = [r for r in _records(path) if r[0] == 5]
    _damage(path, messages[20][1], messages[21][1])  # the kind of two neighbours
    path.write_bytes(path.read_bytes()[: messages[50][1] + 12])
    report = repair(folder)
    kept = _numbers(folder)
    assert set(range(50)) - set(kept) == {19, 46, 47, 48, 49}  # the 21st message is one of /json
    assert report.lost_bytes and report.torn_bytes and not report.complete


def test_a_changed_message_outside_chunks_is_said(tmp_path):
    folder = _bag(tmp_path / "bag", use_chunking=False)
    message = [r for r in _records(folder / "x_0.mcap") if r[0] == 5][20]
    _damage(folder / "x_0.mcap", message[2] - 5)
    report = repair(folder)
    assert report.kept == 55 and not report.complete and "CRC does not agree" in str(report)


def test_two_damaged_neighbours_cost_only_themselves(tmp_path):
    folder = _bag(tmp_path / "bag")
    path = folder / "x_0.mcap"
    chunks = [r for r in _records(path) if r[0] == 6]
    _damage(path, chunks[1][1], chunks[2][1])
    report = repair(folder)
    assert _numbers(folder) == [*range(10), *range(30, 50)]
    assert report.chunks == 3 and report.kept == 33 and report.found == 55 and not report.complete
    assert "33 of 55 messages" in str(report)


@pytest.mark.parametrize("use", ["lock", "process"])
def test_a_bag_in_use_is_refused(tmp_path, use):
    folder = tmp_path / "bag"
    if use == "lock":
        writer = BagWriter(folder)
        writer.flush()
        file = writer.path
    else:
        folder = _bag(folder)
        file = folder / "x_0.mcap"
        script = "import sys; f = open(sys.argv[1], 'ab'); print('open', flush=True); sys.stdin.read()"
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert process.stdout.readline() == "open\n"
    content = file.read_bytes()
    with pytest.raises(VipaError, match="is being (recorded|written)"):
        repair(folder)
    assert file.read_bytes() == content and not list(folder.glob("*.broken*"))
    if use == "lock":
        writer.close()
    else:
        process.communicate("")
    repair(folder)


def test_an_original_is_never_overwritten(tmp_path):
    folder = _bag(tmp_path / "bag")
    path = folder / "x_0.mcap"
    repair(folder)
    originals = []
    for _ in range(3):
        path.write_bytes(path.read_bytes()[:-9])
        originals.append(path.read_bytes())
        repair(folder)
    kept = [p.read_bytes() for p in sorted(folder.glob("x_0.mcap.broken*"))]
    assert kept == originals
    assert _numbers(folder) == list(range(50))


def test_a_split_bag_without_metadata(tmp_path):
    folder = tmp_path / "bag"
    folder.mkdir()
    for number in range(11):
        _file(folder / f"x_{number}.mcap", range(10 * number, 10 * number + 10))
    with pytest.raises(VipaError, match="vipa bag repair"):
        BagReader(folder)
    report = repair(folder)
    assert report.complete and report.kept == 121 and not list(folder.glob("*.broken"))
    assert _numbers(folder) == list(range(110))
    with BagReader(folder) as bag:
        assert bag.end_ns - bag.start_ns == 109
    path = folder / "x_10.mcap"
    path.write_bytes(path.read_bytes()[:-40])
    assert repair(folder).repaired and _numbers(folder) == list(range(110))


def test_the_exit_status_says_what_was_lost(tmp_path, capsys):
    def status() -> int:
        with pytest.raises(SystemExit) as ended:
            main(["bag", "repair", str(folder)])
        return ended.value.code

    folder = _bag(tmp_path / "bag")
    assert status() == 0
    _damage(folder / "x_0.mcap", [r for r in _records(folder / "x_0.mcap") if r[0] == 6][3][1] + 60)
    assert status() == 1
    said = capsys.readouterr().out
    assert "1 damaged chunk" in said and "x_0.mcap.broken" in said
    assert status() == 0


def _bomb(folder: Path, declared: int) -> Path:
    """A bag with a chunk that unpacks to 512 MiB of zeros and says it has `declared` bytes."""
    folder.mkdir()
    packer = zstandard.ZstdCompressor(level=1, write_content_size=False).compressobj()
    packed = b"".join(packer.compress(bytes(1 << 24)) for _ in range(32)) + packer.flush()
    content = declared.to_bytes(8, "little") + bytes(4) + b"\4\0\0\0zstd" + len(packed).to_bytes(8, "little") + packed
    chunk = HEAD.pack(6, 16 + len(content)) + bytes(16) + content
    path = folder / "x_0.mcap"
    _file(path, range(20))
    data = path.read_bytes()
    second = [r for r in _records(path) if r[0] == 6][1][1]
    path.write_bytes(data[:second] + chunk + data[second:])
    return folder


@pytest.mark.parametrize("declared", [512 << 20, 1 << 20, 1 << 62])
def test_a_bomb_takes_neither_time_nor_memory(tmp_path, declared):
    folder = _bomb(tmp_path / "bag", declared)
    tracemalloc.start()
    began = time.process_time()
    try:
        report = repair(folder)
        assert _numbers(folder) == list(range(20)) and report.bad_chunks == 1
        shutil.copy(folder / "x_0.mcap.broken", folder / "x_0.mcap")
        with pytest.raises(VipaError, match="chunk|index"), BagReader(folder) as bag:
            list(bag.messages())
        assert tracemalloc.get_traced_memory()[1] < 300 << 20
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 20.0  # of the processor, not of the wall's clock


def test_the_helpers_see_the_file_as_mcap_does(tmp_path):
    path = _bag(tmp_path / "bag") / "x_0.mcap"
    with path.open("rb") as file:
        chunks = [r for r in StreamReader(file, emit_chunks=True).records if isinstance(r, Chunk)]
    assert len(chunks) == sum(r[0] == 6 for r in _records(path)) == 5
