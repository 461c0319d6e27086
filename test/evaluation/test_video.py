"""The video made from a bag."""

import av
import numpy as np
import pytest
from synthetic_bag import START_NS, write_episode

from vipa_ros.errors import VipaError
from vipa_ros.evaluation import drawing
from vipa_ros.evaluation.drawing import Painter, fit
from vipa_ros.evaluation.timeline import EpisodeState, ModeSpan, SubTaskState, Timeline, read_timeline
from vipa_ros.evaluation.video import END_CARD, render_video
from vipa_ros.motion.chunk import Mode
from vipa_ros.recording.bag import BagWriter
from vipa_ros.recording.reader import BagReader


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_episode(tmp_path_factory.mktemp("video") / "bag", seconds=3.0)


def test_a_video_shows_every_frame_and_the_outcome(folder, tmp_path):
    seen = []
    out = render_video(folder, {"outcome": "success", "instruction": "tidy up"}, tmp_path / "video.mp4", seen.append)
    with av.open(str(out)) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == pytest.approx(15.0, rel=0.05)
        frames = [f.to_ndarray(format="rgb24") for f in file.decode(video=0)]
    rate = 15.0
    assert len(frames) == pytest.approx(3 * rate + END_CARD * rate, abs=3)
    assert frames[0].shape == (588, 960, 3)
    pill = frames[-1][drawing.HEADER + drawing.CAMERAS + 62, -22]
    np.testing.assert_allclose(pill, drawing.GREEN, atol=25)
    disc = frames[0][drawing.HEADER + 300, 240]  # the synthetic picture has a red disc there
    assert disc[0] > 150 and disc[1] < 90
    assert seen[-1] == 1.0 and seen == sorted(seen)
    assert out.read_bytes().find(b"moov") < out.read_bytes().find(b"mdat")  # plays before it is all there
    assert list(tmp_path.iterdir()) == [out]


def test_a_bag_without_pictures_is_refused(tmp_path):
    BagWriter(tmp_path / "bag").close()
    with pytest.raises(VipaError, match="color/image_raw"):
        render_video(tmp_path / "bag", None, tmp_path / "video.mp4")
    assert not (tmp_path / "video.mp4").exists()


def test_the_timeline_is_what_happened(folder):
    with BagReader(folder) as bag:
        timeline = read_timeline(bag)
    assert timeline.start_ns == START_NS and timeline.duration == pytest.approx(3.0)
    assert [s.mode for s in timeline.modes] == [Mode.EXECUTING, Mode.HOLDING]
    assert timeline.modes[0].end_ns == timeline.modes[1].start_ns == pytest.approx(START_NS + 2_700_000_000)
    assert [n for _, n in timeline.clamps] == [3] and not timeline.refusals and not timeline.stops
    final = timeline.states[-1]
    assert final.outcome == "success" and [s.status for s in final.subtasks] == ["done"] * 5
    assert final.subtasks[1].t_done == pytest.approx(1.0)
    assert timeline.state_at(START_NS - 1) is None
    assert timeline.state_at(START_NS + 10**9).subtasks[0].status == "done"


def _timeline(subtasks: int) -> Timeline:
    statuses = ("done", "failed", "active", "pending")
    rows = tuple(
        SubTaskState(f"sub-task {i}", statuses[i % 4], 1.5 * i if i % 4 == 0 else None, 0.4) for i in range(subtasks)
    )
    state = EpisodeState(0, True, 0.0, "", rows)
    return Timeline(0, 10**10, (state,), (ModeSpan(0, 10**10, Mode.STOPPED),), stops=((5 * 10**9, "asked for"),))


@pytest.mark.parametrize("cameras", [1, 2, 3, 4])
@pytest.mark.parametrize("subtasks", [0, 1, 5, 12])
def test_frames_for_any_number_of_cameras_and_subtasks(cameras, subtasks):
    names = [f"camera{i}" for i in range(cameras)]
    painter = Painter(_timeline(subtasks), names, "x" * 400, "caption " * 40)
    pictures = {name: np.full((30, 40, 3), 40 * (i + 1), np.uint8) for i, name in enumerate(names)}
    frame = painter.frame(5 * 10**9, pictures, outcome="stopped")
    assert frame.shape == (*painter.shape, 3) and frame.shape[0] % 2 == 0
    row = frame[drawing.HEADER + drawing.CAMERAS // 2, :, 0]
    assert set(np.unique(row)) - {drawing.BACKGROUND[0]} == {40 * (i + 1) for i in range(cameras)}
    assert painter.frame(0, {}).shape == frame.shape  # no picture has come yet


def test_long_text_is_shortened():
    assert fit("short", 14, 500) == "short"
    cut = fit("a long line of text", 14, 60)
    assert cut.endswith("…") and len(cut) < 12
