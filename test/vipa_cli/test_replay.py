"""A recorded episode is done again and compared: alike from the same scene, named where it is not."""

import json

import numpy as np
import pytest

from vipa.commanders.replay import commander
from vipa.commanders.replay.compare import compare
from vipa.commanders.replay.recorded import read_recorded
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa_cli import cli


def vipa(*args):
    with pytest.raises(SystemExit) as ended:
        cli.main(list(args))
    return ended.value.code


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The run folder of the expert's first seconds."""
    out = tmp_path_factory.mktemp("runs")
    line = [
        "--task",
        "water_plant",
        "--seed",
        "3",
        "--time-limit",
        "1.5",
        "--in-process",
        "--no-video",
        "--out",
        str(out),
    ]
    assert vipa("episode", *line) == 0
    return (out / "latest").resolve()


def test_it_goes_as_it_went_and_a_script_hears_of_it(recorded, tmp_path, capsys):
    assert vipa("replay", str(recorded), "--in-process", "--out", str(tmp_path), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["joint_max"] < 0.05 and said["joint_rms"] < 0.01
    moved = np.ptp(read_recorded(recorded, load_robot("fr3_single")).joints["arm"], axis=0)
    assert moved.max() > 0.2  # it did move
    second = tmp_path / "latest"
    assert json.loads((second / "scorecard.json").read_text(encoding="utf-8"))["commander"] == "replay"


def test_one_that_goes_otherwise_is_found_out(recorded, tmp_path, monkeypatch):
    """The cause taken away: a replay that is half as long, and one of another scene's episode."""
    monkeypatch.setattr(
        commander.Replay, "_action", lambda self, group, first: None if first > 20 else _action(self, group, first)
    )
    assert vipa("replay", str(recorded), "--in-process", "--out", str(tmp_path)) in (1, 2)
    found = compare(recorded, tmp_path / "latest", load_robot("fr3_single"))
    assert found.joint_max > 0.1 and found.worst.startswith("fr3_joint")


_action = commander.Replay._action


@pytest.mark.parametrize("folder, words", [("nothing", "no scorecard.json"), ("empty", "no scorecard.json")])
def test_a_folder_of_no_episode_is_one_line(tmp_path, capsys, folder, words):
    (tmp_path / "empty").mkdir()
    assert vipa("replay", str(tmp_path / folder)) == 2
    assert words in capsys.readouterr().err


def test_a_bag_of_another_robot_is_refused(recorded):
    with pytest.raises(VipaError, match="no commands to arm_controller"):
        read_recorded(recorded, load_robot("ur5e_single"))
