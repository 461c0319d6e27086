"""`vipa dataset`: what it prints and how it exits."""

import argparse

import pytest

from helpers.synthetic_bag import EPISODE_ID, write_episode
from vipa_cli.commands import dataset


def vipa_dataset(*words) -> int:
    parser = argparse.ArgumentParser()
    dataset.arguments(parser)
    return dataset.run(parser.parse_args([str(w) for w in words]))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("command")
    write_episode(base / "runs" / "one" / "bag", seconds=0.5)
    (base / "runs" / "latest").symlink_to("one")
    return base / "runs", base / "set"


def test_build_show_check(folders, capsys):
    runs, root = folders
    assert vipa_dataset("build", runs, "--out", root) == 0
    assert "1 episodes added, 0 run folders skipped, 0 not usable" in capsys.readouterr().out
    assert vipa_dataset("build", runs / "one", "--out", root) == 0
    assert "is in the dataset" in capsys.readouterr().out
    assert vipa_dataset("show", root) == 0
    shown = capsys.readouterr().out
    assert (
        EPISODE_ID in shown
        and "camera scene: 32x24 with depth" in shown
        and "fr3_single, 1 episodes, 6 frames" in shown
    )
    assert vipa_dataset("check", root) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out
    (root / "depth/scene/chunk-000/episode-000000.mkv").unlink()
    assert vipa_dataset("check", root) == 1
