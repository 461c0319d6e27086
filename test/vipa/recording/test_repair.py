"""Bags cut off or damaged at any place become valid ones, with all whole chunks."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.stream_reader import StreamReader

from helpers.synthetic_bag import Messages
from vipa.errors import VipaError
from vipa.recording.bag import BagWriter
from vipa.recording.reader import BagReader
from vipa.recording.repair import repair

STRING = "std_msgs/msg/String"
FUZZ = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _write(folder: Path, chunks: int = 8, messages: int = 12) -> Path:
    m = Messages()
    random = np.random.default_rng(1)
    with BagWriter(folder, {"episode_id": "abc"}) as bag:
        topics = [bag.add_topic(f"/t{i}", STRING) for i in range(3)]
        k = 0
        for _ in range(chunks):
            for _ in range(messages):
                noise = random.integers(97, 122, 40, dtype=np.uint8).tobytes().decode()
                bag.write(topics[k % 3], 1000 + k, 1000 + k, m.serialize(m(STRING, data=f"{k} {noise}")))
                k += 1
            bag.flush()
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(bytes of a bag's file, end offset and message count of each of its chunks)"""
    folder = _write(tmp_path_factory.mktemp("repair") / "bag")
    path = folder / "bag_0.mcap"
    with path.open("rb") as file:
        records = StreamReader(file, emit_chunks=True).records
        chunks = [file.tell() for record in records if type(record).__name__ == "Chunk"]
    return folder, path.read_bytes(), chunks


def _numbers(folder: Path) -> list[int]:
    with BagReader(folder) as bag:
        return [int(m.data.data.split()[0]) for m in bag.messages()]


def _damaged(tmp_path, whole, content: bytes) -> Path:
    folder = tmp_path / "bag"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole[0], folder)
    (folder / "bag_0.mcap").write_bytes(content)
    return folder


def _is_valid(folder: Path) -> int:
    with (folder / "bag_0.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        count = sum(1 for _ in reader.iter_messages())
        assert reader.get_summary().statistics.message_count == count
    return count


@FUZZ
@given(data=st.data())
def test_a_cut_anywhere_keeps_every_whole_chunk(tmp_path, whole, data):
    _, content, chunks = whole
    cut = data.draw(st.integers(0, len(content) - 1))
    folder = _damaged(tmp_path, whole, content[:cut])
    report = repair(folder)
    kept = 12 * sum(end <= cut for end in chunks)
    assert report.repaired and report.kept == report.found == kept and report.complete
    assert _is_valid(folder) == kept
    assert _numbers(folder) == list(range(kept))
    assert (folder / "bag_0.mcap.broken").read_bytes() == content[:cut]
    again = repair(folder)
    assert not again.repaired and again.kept == kept
    with BagReader(folder) as bag:
        assert bag.custom_data == {"episode_id": "abc", "repaired": "true"}


@FUZZ
@given(data=st.data())
def test_damage_anywhere_never_raises_and_spares_the_other_chunks(tmp_path, whole, data):
    _, content, chunks = whole
    start = data.draw(st.integers(0, len(content) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=64))
    folder = _damaged(tmp_path, whole, content[:start] + noise + content[start + len(noise) :])
    damaged = (folder / "bag_0.mcap").read_bytes()
    report = repair(folder)
    assert _is_valid(folder) == report.kept
    touched = sum(begin < start + len(noise) and start < end for begin, end in zip([0, *chunks], chunks, strict=False))
    assert report.kept >= 12 * (len(chunks) - touched)  # topics stand in the index too
    assert report.kept == 96 or not report.complete
    again = repair(folder)
    assert not again.repaired
    if report.repaired and damaged != content:
        assert (folder / "bag_0.mcap.broken").read_bytes() == damaged


def test_a_whole_bag_is_left_alone(tmp_path, whole):
    folder = _damaged(tmp_path, whole, whole[1])
    report = repair(folder)
    assert not report.repaired and report.kept == 96
    assert (folder / "bag_0.mcap").read_bytes() == whole[1]
    assert sorted(p.name for p in folder.iterdir()) == ["bag_0.mcap", "metadata.yaml"]


@pytest.mark.parametrize("text", [None, "", "{", "rosbag2_bagfile_information: 3", "\x00"])
def test_metadata_is_made_anew(tmp_path, whole, text):
    folder = _damaged(tmp_path, whole, whole[1])
    if text is None:
        (folder / "metadata.yaml").unlink()
    else:
        (folder / "metadata.yaml").write_text(text, encoding="utf-8")
    report = repair(folder)
    assert report.repaired and report.complete
    assert len(_numbers(folder)) == 96
    assert (folder / "bag_0.mcap").read_bytes() == whole[1]
    if text is not None:
        assert (folder / "metadata.yaml.broken").read_text(encoding="utf-8") == text


def test_what_is_no_bag_is_refused(tmp_path):
    with pytest.raises(VipaError, match="0 .mcap files"):
        repair(tmp_path)


def test_killed_in_the_middle(tmp_path):
    """What was flushed before a kill -9 is there after it."""
    script = """
import sys
from pathlib import Path
from vipa.recording.bag import BagWriter
bag = BagWriter(Path(sys.argv[1]), {"task": "put_three_obj"})
topic = bag.add_topic("/a", "std_msgs/msg/String")
for k in range(100):
    bag.write(topic, k, k, b"\\0\\1\\0\\0\\1\\0\\0\\0\\0")
bag.flush()
print("flushed", flush=True)
while True:
    bag.write(topic, 100, 100, b"\\0\\1\\0\\0\\1\\0\\0\\0\\0" + b"x" * 100_000)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "bag")], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout.readline() == "flushed\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    report = repair(tmp_path / "bag")
    assert report.repaired and report.kept >= 100 and report.complete
    with BagReader(tmp_path / "bag") as bag:
        assert bag.custom_data["task"] == "put_three_obj"
        assert sum(1 for _ in bag.raw()) == report.kept
