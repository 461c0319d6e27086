"""An episode whose bag has its pictures compressed: recorded whole, told by video and report, and a dataset as any other."""

import json
import os
import subprocess
import sys

import pytest

from vipa.recording.reader import BagReader
from vipa.recording.topic_names import camera_topics, compressed_topics
from vipa_cli import cli

pytestmark = pytest.mark.graph


def test_jpeg_and_png_stand_in_the_pictures_place(tmp_path):
    words = "episode --task water_plant --seed 1 --pictures compressed --out".split()
    env = {k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"}
    line = [sys.executable, "-m", "vipa_cli.cli", *words, str(tmp_path / "runs")]
    done = subprocess.run(
        line, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=600
    )
    assert done.returncode == 0, done.stdout
    run = (tmp_path / "runs/latest").resolve()
    card = json.loads((run / "scorecard.json").read_text(encoding="utf-8"))
    assert card["outcome"] == "success"
    with BagReader(run / "bag") as bag:
        stored = {info.name: info for info in bag.topics.values() if not info.compressed}
        for camera in ("scene", "wrist"):
            plain, compressed = camera_topics(camera), compressed_topics(camera)
            for key in ("color", "depth"):
                assert plain[key] not in stored
                assert stored[compressed[key]].count > 10 * card["duration_s"]
                assert bag.topics[plain[key]].compressed == compressed[key]
    assert (run / "video.mp4").stat().st_size > 10_000 and (run / "report.html").is_file()
    for words in (["build", str(run), "--out", str(tmp_path / "set")], ["check", str(tmp_path / "set")]):
        with pytest.raises(SystemExit) as ended:
            cli.main(["dataset", *words])
        assert ended.value.code == 0
