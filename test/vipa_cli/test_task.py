"""`vipa task show`: what scenes look like."""

import cv2
import pytest

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
