"""`vipa task`: what scenes look like, and whether a task can begin."""

import json

import cv2
import pytest

from helpers.own_file import own
from vipa_cli.cli import main


def task(*args):
    with pytest.raises(SystemExit) as end:
        main(["task", *args])
    return end.value.code


def test_a_scene_is_shown_from_every_camera(tmp_path, capsys):
    out = tmp_path / "new" / "water.png"
    assert task("show", "water_plant", "--seed", "3", "--out", str(out), "--depth", "--camera-noise") == 0
    assert "1280 x 960 pixels" in capsys.readouterr().out
    picture = cv2.imread(str(out))
    assert picture.shape == (960, 1280, 3)
    parts = [picture[y : y + 480, x : x + 640] for y in (0, 480) for x in (0, 640)]
    assert all(40 < part.mean() < 220 and part.std() > 20 for part in parts)


def test_another_kind_of_file_is_refused(tmp_path, capsys):
    assert task("show", "water_plant", "--out", str(tmp_path / "x.gif")) == 2
    assert "'.gif'; allowed: .jpg, .png" in capsys.readouterr().err


@pytest.mark.parametrize(
    "before, after, said",
    [
        ("object: apple", "object: puk", "unknown body 'puk'; allowed: apple, banana"),
        ("container: drawer", "container: plum", "'plum' has no interior in this scene"),
        ("joint: drawer", "joint: dror", "unknown scalar 'dror'; allowed: "),
        ("fruit_min: [0.34, -0.48]", "fruit_min: [0.599, -0.141]", "no room for three fruits"),
    ],
)
def test_a_task_that_could_not_begin_is_refused(tmp_path, capsys, before, after, said):
    assert task("check", own(tmp_path, "put_three_obj", (before, after))) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.splitlines()) == 1, err


def test_check_says_whether_there_is_an_expert(capsys):
    assert task("check", "water_plant", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["expert"] == {"groups": ["arm"], "missing": ""} and "cream" in document["variants"]
    assert task("check", "examples/tasks/board_in_hand.yaml") == 0
    assert (
        "no expert: task 'board_in_hand': unknown script of the expert 'calibration_board'; allowed: "
        in capsys.readouterr().out
    )
