"""A user's own robots: ./robots/NAME/NAME.yaml is found by its name, from the checkout and by processes elsewhere."""

import pytest

from vipa import resources
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa_cli.cli import main
from vipa_ros.bringup.episode_graph import EpisodeConfig


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with robots/mine/mine.yaml, written by `vipa robot add`."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["robot", "add", str(resources.root() / "urdf/ur5e_single/ur5e_single.urdf"), "--name", "mine"])
    assert not end.value.code
    return tmp_path


def test_the_name_finds_what_add_wrote(folder, capsys):
    assert load_robot("mine").name == "mine"
    filled = EpisodeConfig("water_plant", robot="fr3_single").checked(commander=False)
    assert filled.robot == "fr3_single"
    assert resources.absolute("mine", "config/robots") == str(folder / "robots/mine/mine.yaml")
    assert resources.absolute("mine") == "mine"  # of no other kind
    with pytest.raises(SystemExit):
        main(["robot", "list"])
    assert "\nmine " in capsys.readouterr().out
    with pytest.raises(VipaError, match="unknown robot 'yours'; allowed: .*mine"):
        load_robot("yours")


def test_what_ships_goes_before_and_its_name_is_not_taken(folder, capsys):
    (folder / "robots/fr3_single").mkdir()
    (folder / "robots/fr3_single/fr3_single.yaml").write_text("name: other", encoding="utf-8")
    assert load_robot("fr3_single").name == "fr3_single" and "fr3_single" not in resources.own("config/robots")
    with pytest.raises(SystemExit) as end:
        main(["robot", "add", str(resources.root() / "urdf/ur5e_single/ur5e_single.urdf")])
    assert end.value.code == 2 and "a robot that ships is called so" in capsys.readouterr().err
