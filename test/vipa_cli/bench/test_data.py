"""`vipa bench data` measures what it says: every writer gets all messages, and the figures are those of the run that was converted."""

import json

import pytest

from helpers.synthetic_bag import write_episode
from vipa_cli.bench import data, data_recording


@pytest.mark.slow  # half a minute of one core
def test_figures_of_a_small_run(tmp_path, capsys):
    write_episode(tmp_path / "run" / "bag", seconds=1.0)
    data.run([tmp_path / "run"], 0.1, None, 4, tmp_path / "figures.json")
    found = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert [row["writer"] for row in found["recording"]] == list(data_recording.WRITERS)
    for row in found["recording"]:
        assert row["messages"] == 3 * 2 * data_recording.CAMERAS and row["dropped"] < row["messages"]
        assert (row["file_share"] > 0.99) == (row["writer"] == "rosbags")  # the others compress, noise and all
    conversion = found["conversion"]
    assert conversion["episodes"] == 1 and 0 < conversion["bag_GB"] < conversion["raw_GB"]
    assert found["writing"]["vipa"]["frames"] == 4
    assert found["reading"]["vipa"]["with_depth"]["frames"] == data.READS
    assert capsys.readouterr().out.count("\n") == 7


def test_cameras_show_what_a_sensor_gives():
    """Noise on every picture: a bench of pictures that compress like paper would flatter the writer that compresses."""
    (color, depth), (later, _) = data_recording.pictures()[:2]
    assert color.shape == (480, 640, 3) and depth.dtype.name == "uint16"
    assert 0.01 < (depth == 0).mean() < 0.06 and (color != later).mean() > 0.5
