"""The report of a run folder."""

import base64
import json
import re
import shutil
import sys

import av
import cv2
import numpy as np
import pytest

from helpers.synthetic_bag import EPISODE_ID, INSTRUCTION, SUBTASKS, Messages, write_episode
from vipa.errors import VipaError
from vipa.recording.bag import BagWriter
from vipa.recording.reader import BagReader
from vipa.recording.repair import repair
from vipa.recording.signals import read_signals
from vipa.reporting import report
from vipa.reporting.plots import Line, line_plot
from vipa.robot.description import load_robot


def _card(**changes) -> dict:
    card = {
        "schema": "vipa/scorecard/1",
        "episode_id": EPISODE_ID,
        "task": "put_three_obj",
        "instruction": INSTRUCTION,
        "robot": "fr3_single",
        "cell": "sim",
        "commander": "expert",
        "policy": None,
        "seed": 7,
        "variant": "linen",
        "subtasks": [
            {"name": n, "status": "done", "t_done_s": 0.5 * k, "evidence": "seen"} for k, n in enumerate(SUBTASKS)
        ],
        "subtask_score": 1.0,
        "success": True,
        "outcome": "success",
        "failure": None,
        "duration_s": 3.0,
        "wall_s": 4.5,
        "timing": {"policy_ms_p50": 4.25, "policy_ms_p99": None, "dropped_frames": 2},
        "provenance": {"git": "abc1234", "versions": {"numpy": "2.4.6"}},
    }
    return card | changes


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run folder with bag, scorecard, scene card and video, its report made once."""
    run = tmp_path_factory.mktemp("report") / "run"
    write_episode(run / "bag", seconds=2.0)
    (run / "scorecard.json").write_text(json.dumps(_card()), encoding="utf-8")
    (run / "scene.json").write_text(json.dumps({"seed": 7, "poses": {"apple": [0.41, 0.1, 0.03]}}), encoding="utf-8")
    return report.rebuild(run).parent


def _copy(made, tmp_path, *, without=()):
    run = tmp_path / "run"
    shutil.copytree(made, run)
    for name in without:
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return run


def test_the_page_is_complete_and_self_contained(made):
    page = (made / "report.html").read_text(encoding="utf-8")
    for text in (*(s.replace("&", "&amp;") for s in SUBTASKS), EPISODE_ID, "abc1234", "4.2", "seed 7", "4.5 s wall"):
        assert text in page
    assert page.count("data:video/mp4;base64,") == 1
    assert not re.search(r"https?://", page)
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', page)
    assert all(s.startswith("data:") or (made / s).exists() for s in sources)
    assert page.count("<polyline") >= 6  # x, y, z, speed, force, opening
    assert page.count("<section") == page.count("</section>") and page.count("<svg") == page.count("</svg>")
    assert "prefers-color-scheme: dark" in page and "width=device-width" in page
    assert 'class="executing"' in page and 'class="clamp"' in page and "apple" in page


def test_a_bag_alone_makes_a_report(made, tmp_path):
    run = _copy(made, tmp_path, without=("scorecard.json", "scene.json", "video.mp4", "report.html"))
    page = report.write_report(run).read_text(encoding="utf-8")
    assert INSTRUCTION in page and "expert" in page and 'class="badge success"' in page and "<video" not in page


def test_a_scorecard_alone_makes_a_report(made, tmp_path):
    run = _copy(made, tmp_path, without=("bag", "video.mp4", "scene.json"))
    card = _card(
        outcome="stopped", success=False, failure={"type": "force", "subtask": "", "detail": "52 N"}, timing={}
    )
    (run / "scorecard.json").write_text(json.dumps(card), encoding="utf-8")
    page = report.write_report(run).read_text(encoding="utf-8")
    assert "52 N" in page and 'class="badge stopped"' in page and "<polyline" not in page


def test_text_cannot_become_markup(made, tmp_path):
    run = _copy(made, tmp_path, without=("bag", "video.mp4"))
    evil = "<script>alert(1)</script>"
    subtasks = [{"name": evil, "status": "pending", "t_done_s": None, "evidence": evil}]
    (run / "scorecard.json").write_text(
        json.dumps(_card(instruction=evil, task=evil, subtasks=subtasks)), encoding="utf-8"
    )
    (run / "scene.json").write_text(json.dumps({evil: evil}), encoding="utf-8")
    assert "<script" not in report.write_report(run).read_text(encoding="utf-8")


def test_a_large_video_is_linked(made, tmp_path, monkeypatch):
    run = _copy(made, tmp_path)
    monkeypatch.setattr(report, "EMBED_BYTES", 100)
    page = report.write_report(run).read_text(encoding="utf-8")
    assert 'src="video.mp4"' in page and "data:video" not in page


def test_what_is_no_run_folder_is_refused(tmp_path, monkeypatch, capsys):
    with pytest.raises(VipaError, match="neither scorecard.json nor a bag"):
        report.write_report(tmp_path)
    (tmp_path / "scorecard.json").write_text("{", encoding="utf-8")
    with pytest.raises(VipaError, match="scorecard.json"):
        report.write_report(tmp_path)
    monkeypatch.setattr(sys, "argv", ["report", str(tmp_path)])
    assert report.main() == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_signals_are_those_of_the_bag(made):
    with BagReader(made / "bag") as bag:
        (arm,) = read_signals(bag, load_robot("fr3_single"))
    assert arm.name == "arm" and len(arm.times) == len(arm.position) == len(arm.speed) == len(arm.opening)
    assert len(arm.times) == 101 and np.all(np.diff(arm.times) == 20_000_000)
    assert set(np.unique(arm.opening.round(6))) == {0.0, 1.0}
    assert arm.force.max() == pytest.approx(5.0, abs=0.05) and len(arm.force) == 101
    moved = np.linalg.norm(np.gradient(arm.position, 0.02, axis=0), axis=1)
    np.testing.assert_allclose(arm.speed[1:-1], moved[1:-1], atol=0.01)  # the bag's velocities are its positions' rates


def test_plots_take_what_comes():
    x = np.linspace(0, 10, 5000)
    spike = np.where(np.arange(5000) == 2222, 9.0, 1.0)
    svg = line_plot("force", "N", [Line("f", x, spike, peaks=True)], (0, 10), marks=[5.0], limit=8.0)
    points = re.search(r'points="([^"]*)"', svg).group(1).split()
    assert len(points) <= 401 and "limit 8" in svg and 'class="mark"' in svg
    heights = [float(p.split(",")[1]) for p in points]
    assert min(heights) < np.median(heights) - 50  # the spike is still there
    gap = np.where((x > 4) & (x < 6), np.nan, 1.0)
    assert line_plot("a", "", [Line("a", x, gap)], (0, 10)).count("<polyline") == 2
    assert "not recorded" in line_plot("a", "", [Line("a", x[:0], x[:0])], (0, 10))
    assert "<polyline" in line_plot("a", "", [Line("a", x, np.zeros_like(x))], (0, 0.0001))


def test_the_heading_names_the_policy(made, tmp_path):
    run = _copy(made, tmp_path, without=("bag", "video.mp4"))
    policy = {"name": "water_plant", "checkpoint_sha256": "00ff"}
    (run / "scorecard.json").write_text(json.dumps(_card(commander="policy", policy=policy)), encoding="utf-8")
    page = report.write_report(run).read_text(encoding="utf-8")
    assert "· water_plant" in page and "· policy" not in page


def test_the_poster_is_a_picture_of_the_middle(tmp_path):
    """And not the first frame, at which nothing has happened yet."""
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"sc_threshold": "0"}  # as in an episode's video, the first frame is the only key frame
        for k in range(100):
            picture = np.full((48, 64, 3), 250 if k >= 38 else 0, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    data = base64.b64decode(report._poster(path).split(",")[1])
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).mean() > 200


@pytest.mark.parametrize("card", [True, False], ids=["with a scorecard", "alone"])
def test_an_empty_bag_makes_a_report(tmp_path, card):
    """As one that was cut off before its first message, and repaired."""
    BagWriter(tmp_path / "bag", {"task": "put_three_obj"}).close()
    if card:
        (tmp_path / "scorecard.json").write_text(json.dumps(_card()), encoding="utf-8")
    page = report.rebuild(tmp_path).read_text(encoding="utf-8")
    assert "the bag holds no messages" in page and "put three obj" in page and "<video" not in page


def test_a_file_of_no_bytes_makes_a_report_once_repaired(tmp_path):
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "bag_0.mcap").write_bytes(b"")
    with pytest.raises(VipaError, match="vipa bag repair"):
        report.rebuild(tmp_path)
    repair(tmp_path / "bag")
    assert "the bag holds no messages" in report.rebuild(tmp_path).read_text(encoding="utf-8")


def test_what_was_skipped_is_named(made, tmp_path):
    run = _copy(made, tmp_path, without=("bag", "video.mp4"))
    m = Messages()
    odd = m.serialize(m("sensor_msgs/msg/Image", header=m.header(10**9), encoding="odd"))
    with BagWriter(run / "bag") as bag:
        image = bag.add_topic("/camera/wrist/color/image_raw", "sensor_msgs/msg/Image")
        bag.write(image, 10**9, 10**9, odd)
        joints = bag.add_topic("/joint_states", "sensor_msgs/msg/JointState")
        for k in [*range(100), *range(50)]:
            at = 10**9 + k * 20_000_000
            bag.write(joints, at, at, m.serialize(m("sensor_msgs/msg/JointState", header=m.header(at), name=["a"])))
    page = report.rebuild(run).read_text(encoding="utf-8")
    assert "time jumps back 2.0 s" in page and "<video" not in page
    assert (
        "/camera/wrist/color/image_raw: 1 message skipped: image encoding 'odd'" in page
        or "1 message skipped: image encoding &#39;odd&#39;" in page
    )
