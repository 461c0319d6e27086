"""A full disk is one line that names it; the scorecard survives; an episode that has no room does not begin."""

import errno
import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from vipa import files, run_folder
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks import scorecard
from vipa.tasks.scorer import EpisodeScorer
from vipa.tasks.task import load_task
from vipa_cli import cli
from vipa_cli.commands import doctor
from vipa_ros.bringup import episode


def card():
    scorer = EpisodeScorer(load_task("water_plant"))
    scorer.stop("stopped", "interrupted", "by the test")
    return scorecard.score(
        scorer, episode_id="id", robot="fr3_single", cell="sim", commander="expert", seed=0, variant="", wall_s=1.0
    )


@pytest.fixture
def full(monkeypatch):
    """full(folder): from now on nothing more is written below `folder`."""

    def fill(folder):
        write = files._write_bytes

        def refuse(path, data):
            if Path(folder) in Path(path).parents:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write(path, data)

        monkeypatch.setattr(files, "_write_bytes", refuse)

    return fill


def test_an_error_names_path_and_disk(tmp_path, full):
    full(tmp_path)
    with pytest.raises(VipaError) as error:
        files.write_json(tmp_path / "x.json", {})
    assert str(error.value).startswith(
        f"{tmp_path / 'x.json'}: No space left on device (disk {files.disk_of(tmp_path)}: "
    )
    assert str(error.value).endswith(" free)") and "\n" not in str(error.value)


def test_a_disk_that_is_read_only_or_not_there_is_named(tmp_path):
    with pytest.raises(VipaError, match=r"/proc/nothing/x\.json: No such file or directory \(disk /proc: "):
        files.write_json(Path("/proc/nothing/x.json"), {})


def test_the_scorecard_is_elsewhere_if_the_disk_does_not_take_it(tmp_path, full, monkeypatch):
    run, other = tmp_path / "disk" / "run", tmp_path / "tmp"
    run.mkdir(parents=True)
    other.mkdir()
    monkeypatch.setattr(scorecard.tempfile, "gettempdir", lambda: str(other))
    full(tmp_path / "disk")
    said = scorecard.save(card(), run)
    assert scorecard.read(scorecard.elsewhere(run)) == card() and scorecard.elsewhere(run).parent == other
    assert f"{run / 'scorecard.json'}: No space left on device" in said and str(scorecard.elsewhere(run)) in said


def test_the_scorecard_has_its_space_kept(tmp_path):
    run = run_folder.create(tmp_path, "water_plant", "0123456789", datetime(2026, 1, 1))
    assert (run.path / scorecard.RESERVE).stat().st_blocks * 512 >= scorecard.RESERVED
    assert scorecard.save(card(), run.path) == "" and not (run.path / scorecard.RESERVE).exists()


@pytest.mark.parametrize("cell, wanted", [("sim", 64 << 20 | 0), ("real", 64 << 20)])
def test_an_episode_without_room_is_refused(tmp_path, monkeypatch, cell, wanted):
    """320 by 240 pixels of colour and depth, 15 times a second, from two cameras: 11.52 MB/s."""
    rate = 11.52e6 / (1 if cell == "real" else 6.5)
    robot = load_robot("fr3_single")
    assert sum(c.width * c.height * 5 * c.rate for c in robot.cameras) == 11.52e6
    for spare in (-1e6, 1e6):
        monkeypatch.setattr(
            shutil, "disk_usage", lambda _, s=spare: shutil._ntuple_diskusage(0, 0, int(wanted + 100 * rate + s))
        )
        if spare > 0:
            run_folder.check_space(tmp_path, robot, cell, 100.0)
            continue
        with pytest.raises(
            VipaError, match=r"disk .* has .* free; an episode of 100 s with 2 cameras may take .* allowed: "
        ):
            run_folder.check_space(tmp_path, robot, cell, 100.0)


def test_vipa_refuses_it_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 1000))
    with pytest.raises(SystemExit) as end:
        cli.main(["episode", "--task", "water_plant", "--out", str(tmp_path / "runs")])
    assert end.value.code == 2 and capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_verb_that_meets_a_full_disk_says_so_in_one_line(tmp_path, monkeypatch, capsys, number):
    def run(args):
        raise OSError(number, os.strerror(number), str(tmp_path / "out.jsonl"))

    monkeypatch.setattr(doctor, "run", run)
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor"])
    said = capsys.readouterr().err
    assert end.value.code == 1 and said.count("\n") == 1
    assert f"vipa doctor: {tmp_path / 'out.jsonl'}: {os.strerror(number)} (disk " in said


@pytest.fixture
def small_disk(tmp_path):
    """make(megabytes) → a folder on a disk of its own."""
    mounted = []

    def make(size):
        folder = tmp_path / "disk"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", folder], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("may not mount here; the tests above stand in for the disk")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_in_an_episode(small_disk, monkeypatch, capsys):
    """In-process: it is scored in the space that was kept, and what is lost is said."""
    disk = small_disk(4)
    monkeypatch.setattr(run_folder, "check_space", lambda *_: None)
    with pytest.raises(SystemExit) as end:
        cli.main(
            [
                "episode",
                "--task",
                "water_plant",
                "--in-process",
                "--no-video",
                "--out",
                str(disk / "runs"),
                "--time-limit",
                "8",
            ]
        )
    said = capsys.readouterr()
    assert end.value.code == 1
    assert [f"bag_0.mcap: No space left on device (disk {disk}: " in line for line in said.err.splitlines()] == [
        True
    ], said.err
    assert scorecard.read(disk / "runs/latest/scorecard.json").task == "water_plant"


@pytest.mark.graph
def test_a_disk_that_fills_ends_an_episode_of_the_graph(small_disk, tmp_path, monkeypatch, capfd):
    disk = small_disk(6)
    monkeypatch.setattr(run_folder, "check_space", lambda *_: None)
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    with pytest.raises(SystemExit) as end:
        cli.main(["episode", "--task", "water_plant", "--no-video", "--out", str(disk / "runs")])
    said = capfd.readouterr()
    assert end.value.code == 1, said.out + said.err
    done = scorecard.read(disk / "runs/latest/scorecard.json")
    assert done.outcome == "error" and done.failure.type == "recorder"
    assert f"No space left on device (disk {disk}: " in done.failure.detail and done.failure.detail in said.out
    assert "Traceback" not in said.out + said.err
    assert done.wall_s - 60 < episode.FAULT_GRACE_S  # it ends by itself
