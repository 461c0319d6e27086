"""The video made from a bag."""

import av
import numpy as np
import pytest

from helpers.synthetic_bag import START_NS, Messages, write_episode
from vipa.errors import VipaError
from vipa.motion.chunk import Mode
from vipa.recording.bag import BagWriter
from vipa.recording.reader import BagReader
from vipa.recording.timeline import EpisodeState, ModeSpan, SubTaskState, Timeline, read_timeline
from vipa.reporting import drawing
from vipa.reporting.drawing import Painter, fit
from vipa.reporting.video import END_CARD_S, NoPictures, _captions, render_video


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
    assert len(frames) == pytest.approx(3 * rate + END_CARD_S * rate, abs=3)
    assert frames[0].shape == (606, 960, 3)
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


def _write(folder, rows):
    """A bag of pictures: (camera, seconds, level of grey or bytes of a broken message)."""
    m = Messages()
    with BagWriter(folder) as bag:
        ids = {}
        for camera, seconds, what in rows:
            if camera not in ids:
                ids[camera] = bag.add_topic(f"/camera/{camera}/color/image_raw", "sensor_msgs/msg/Image")
            at = round(seconds * 1e9)
            pixels = np.full((24, 32, 3), 0 if isinstance(what, bytes) else what, np.uint8)
            data = what if isinstance(what, bytes) else m.serialize(m.image(at, pixels, camera))
            bag.write(ids[camera], at, at, data)
    return folder


def _frames(path):
    with av.open(str(path)) as file:
        return [f.to_ndarray(format="rgb24") for f in file.decode(video=0)]


def _levels(frame):
    """Grey in the middle of the two cameras' places."""
    row = frame[drawing.HEADER + 100]
    return int(row[240, 0]), int(row[720, 0])


def test_it_begins_when_every_camera_has_delivered(tmp_path):
    rows = [("left", 1 + k / 10, 200) for k in range(30)] + [("right", 1.55 + k / 10, 120) for k in range(20)]
    frames = _frames(render_video(_write(tmp_path / "bag", sorted(rows, key=lambda r: r[1])), None, tmp_path / "v.mp4"))
    assert all(abs(a - 200) < 8 and abs(b - 120) < 8 for a, b in map(_levels, frames))


def test_a_camera_that_stays_silent_is_not_waited_for(tmp_path):
    rows = [("left", 1 + k / 10, 200) for k in range(80)] + [("right", 8.5, 120)]
    frames = _frames(render_video(_write(tmp_path / "bag", sorted(rows, key=lambda r: r[1])), None, tmp_path / "v.mp4"))
    assert len(frames) == pytest.approx(10 * (7 + END_CARD_S), abs=4)
    place = frames[0][drawing.HEADER : drawing.HEADER + drawing.CAMERAS, 480:]
    assert (place.max(-1) > 150).sum() > 50  # it says so


def test_bad_pictures_are_skipped(tmp_path):
    rows = [("left", 1 + k / 10, 200 if k % 3 else b"\0\1\0\0bad") for k in range(30)]
    frames = _frames(render_video(_write(tmp_path / "bag", rows), None, tmp_path / "v.mp4"))
    assert len(frames) > 20
    with pytest.raises(NoPictures, match="no CDR|not a whole sensor_msgs/msg/Image"):
        render_video(_write(tmp_path / "none", [("left", 1.0, b"bad")]), None, tmp_path / "v.mp4")


@pytest.mark.parametrize(
    "name, evidence",
    [
        ("pick up watering can", "can lifted -0 mm (wants > 50 mm), not held"),
        ("locate plant", "can_nozzle misses plant by 37 mm (wants < 70 mm) at 0.20 m (wants 0.05..0.35 m)"),
        ("pick & place banana", "banana inside drawer_box, 3 mm above its floor (wants < 60 mm)"),
    ],
)
def test_evidence_is_not_cut_where_there_is_room(name, evidence, monkeypatch):
    rows = (SubTaskState(name, "active", None, 0.2, evidence), SubTaskState("other", "pending", None, 0.0, ""))
    timeline = Timeline(0, 10**10, (EpisodeState(0, True, 0.0, "", rows),))
    drawn = []
    monkeypatch.setattr(drawing, "fit", lambda *given: drawn.append(fit(*given)) or drawn[-1])
    Painter(timeline, ["a", "b"], "title", "caption").frame(0, {})
    assert name in drawn and evidence in drawn


def test_the_caption_names_the_policy():
    card = {"commander": "policy", "policy": {"name": "water_plant"}, "cell": "sim", "seed": 3, "instruction": "x"}
    assert _captions(Timeline(0, 1), card) == ("x", "water_plant · sim · seed 3")


def test_what_cannot_be_of_a_status_is_skipped(tmp_path):
    m = Messages()
    with BagWriter(tmp_path / "bag") as bag:
        status = bag.add_topic("/vipa/motion_status", "vipa_msgs/msg/MotionStatus")
        episode = bag.add_topic("/vipa/episode_status", "vipa_msgs/msg/EpisodeStatus")
        odd = bag.add_topic("/vipa/safety_status", "std_msgs/msg/String")
        for k, mode in enumerate([0, 250, 1]):
            data = m.serialize(m("vipa_msgs/msg/MotionStatus", header=m.header(k + 1), mode=mode))
            bag.write(status, k + 1, k + 1, data)
        subtask = m("vipa_msgs/msg/SubTaskStatus", name="a", status=77)
        bag.write(episode, 2, 2, m.serialize(m("vipa_msgs/msg/EpisodeStatus", header=m.header(2), subtasks=[subtask])))
        bag.write(odd, 3, 3, m.serialize(m("std_msgs/msg/String", data="x")))
    with BagReader(tmp_path / "bag") as bag:
        timeline = read_timeline(bag)
        assert [s.mode for s in timeline.modes] == [Mode.HOLDING, Mode.EXECUTING] and not timeline.states
        assert {name: s.count for name, s in bag.skipped.topics.items()} == {
            "/vipa/motion_status": 1, "/vipa/episode_status": 1, "/vipa/safety_status": 1,
        }  # fmt: skip
