"""Damaged dataset folders and full disks: one clear line each, and nothing half-written under the final name."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.lerobot_folders import write_lerobot
from helpers.small_dataset import write
from helpers.synthetic_bag import write_episode
from vipa.dataset import edit
from vipa.dataset.check import check
from vipa.dataset.quality import quality
from vipa.dataset.reader import Dataset
from vipa.errors import VipaError

EXAMPLES = settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("damaged") / "set"
    write(root, (1, 2), 4).finalize()
    write(root, (3,), 4).finalize()
    return root


@st.composite
def damages(draw):
    """(which file, what is done to it)"""
    which = draw(st.integers(0, 10_000))
    kind = draw(st.sampled_from(["cut", "flip", "zero", "gone", "empty", "grown"]))
    return which, kind, draw(st.floats(0, 0.999)), draw(st.integers(1, 255))


def damage(root: Path, which: int, kind: str, place: float, value: int) -> Path:
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.name != ".lock")
    path = files[which % len(files)]
    data = bytearray(path.read_bytes())
    at = int(place * len(data))
    if kind == "gone":
        path.unlink()
        return path
    if kind == "cut":
        data = data[:at]
    elif kind == "flip":
        data[at] ^= value
    elif kind == "zero":
        data[at : at + 64] = bytes(len(data[at : at + 64]))
    elif kind == "empty":
        data = bytearray()
    else:
        data += bytes([value]) * 100
    path.unlink()
    path.write_bytes(data)
    return path


@EXAMPLES
@given(what=damages())
def test_a_damaged_folder_is_refused_or_named(made, tmp_path_factory, what):
    """Nothing but VipaError comes out of reading, checking or editing it, and an edit that fails leaves nothing."""
    base = tmp_path_factory.mktemp("d")
    root = Path(shutil.copytree(made, base / "set"))
    path = damage(root, *what)
    found = []
    try:
        found = check(root)
        quality(Dataset(root))
    except VipaError as error:
        assert "\n" not in str(error)
        found.append(error)
    for name, call in (
        ("deleted", lambda out: edit.delete(root, [0], out)),
        ("trimmed", lambda out: edit.trim(root, {1: (1, 3)}, out)),
    ):
        try:
            call(base / name)
        except VipaError:
            assert not (base / name).exists()
        else:
            assert [f for f in check(base / name) if f.level == "error"] == [] or found, path
    assert not list(base.glob(".*"))


def vipa(limit: int, *words) -> subprocess.CompletedProcess:
    """`vipa dataset …` on a disk that takes no file larger than `limit` bytes."""

    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "vipa_cli.cli", "dataset", *map(str, words)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        preexec_fn=full,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.mark.parametrize("limit", [0, 900, 4000])
def test_a_full_disk_leaves_nothing_half_written(made, tmp_path, limit):
    write_episode(tmp_path / "run" / "bag", seconds=0.5)
    episodes = [{"columns": {}, "task": "do it"} | {"columns": {"state": [[0.1] * 8] * 4, "actions": [[0.0] * 7] * 4}}]
    source = write_lerobot(tmp_path / "source", "libero_openpi", "v2.1", episodes)
    for name, words in (
        ("built", ("build", tmp_path / "run", "--all")),
        ("edited", ("edit", "trim", made, "0=1:3")),
        ("merged", ("edit", "split", made, "a=0:2", "b=2:3")),
        ("imported", ("import", source, "libero_openpi")),
    ):
        done = vipa(limit, *words, "--out", tmp_path / name)
        assert done.returncode in (1, 2), (name, done)
        assert "Traceback" not in done.stderr, (name, done.stderr)
        said = [line for line in done.stderr.splitlines() if not line.endswith("%")]
        assert said, (name, done)
        left = tmp_path / name
        assert not left.exists() or not any(p.is_file() and p.name != ".lock" for p in left.rglob("*")), (
            name, sorted(map(str, left.rglob("*"))))  # fmt: skip
    assert not [p for p in tmp_path.glob(".*") if p.is_dir()]
    assert check(made) == []
