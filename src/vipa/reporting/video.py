"""The video of an episode, made from its bag alone: H.264 in MP4, cameras side by side over the sub-task checklist."""

import os
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from vipa.errors import VipaError
from vipa.recording.reader import NOT_AS_EXPECTED, BagReader, image_array, stamp_ns
from vipa.recording.timeline import Timeline, read_timeline
from vipa.recording.topic_names import camera_topics
from vipa.reporting.drawing import Painter
from vipa.tasks.scorecard import commander_name

END_CARD_S = 2.0  # seconds the last frame stays, so that the outcome can be read
MAX_RATE_HZ = 30.0
PATIENCE_NS = 1_000_000_000  # the video begins when every camera has delivered, at the latest this long after the first


class NoPictures(VipaError):
    """A bag of which no picture can be shown."""


def render_video(
    bag_folder: Path, scorecard: dict | None, out: Path, progress: Callable[[float], None] | None = None
) -> Path:
    """Writes the video of the bag to `out` (.mp4; whole or not at all) and returns it.

    `scorecard` (scorecard.json's content) gives outcome and names where the bag has none. The frame rate is the cameras'
    (at most MAX_RATE_HZ); every frame shows the newest picture of each camera at its time. `progress` is called with 0..1.
    It begins when every camera has delivered a picture. Pictures that cannot be read are skipped and named in the bag's
    `skipped`. Raises VipaError if the bag is unreadable, NoPictures if it has no colour pictures.
    """
    scorecard = scorecard or {}
    with BagReader(bag_folder) as bag:
        cameras = bag.camera_names()
        if not cameras:
            raise NoPictures(
                f"bag {bag_folder}: no /camera/<name>/color/image_raw with messages; a video wants pictures"
            )
        timeline = read_timeline(bag)
        topics = {camera_topics(name)["color"]: name for name in cameras}
        painter = Painter(timeline, cameras, *_captions(timeline, scorecard))
        last = timeline.states[-1] if timeline.states else None
        outcome = scorecard.get("outcome") or (last.outcome if last else "")
        temporary = Path(out).with_name(f".{Path(out).name}.{os.getpid()}.mp4")
        try:
            with _Encoder(temporary, painter.shape, _rate(bag, next(iter(topics)))) as encoder:
                _render(bag, topics, timeline, painter, encoder, outcome, progress)
            os.replace(temporary, out)
        except OSError as error:
            raise VipaError(f"{out}: {error.strerror or error}") from None
        finally:
            temporary.unlink(missing_ok=True)
    return Path(out)


def _render(bag, topics, timeline: Timeline, painter: Painter, encoder, outcome: str, progress) -> None:
    period = 1e9 / float(encoder.rate)
    pictures: dict[str, np.ndarray] = {}
    start = first = newest = None
    frames = 0
    for at, name, pixels in _pictures(bag, topics):
        if start is None and pictures and (len(pictures) == len(topics) or at > first + PATIENCE_NS):
            start = newest if len(pictures) == len(topics) else first + PATIENCE_NS
        # frames that are due before this picture was taken
        while start is not None and start + round(frames * period) < at:
            now = start + round(frames * period)
            encoder.add(painter.frame(now, pictures, outcome if now >= timeline.end_ns else ""))
            frames += 1
            if progress and frames % 16 == 0:
                progress(min(1.0, (now - start) / max(bag.end_ns - start, 1)))
        pictures[name] = pixels
        first, newest = at if first is None else first, at
    if not pictures:
        raise NoPictures(f"bag {bag.folder}: {'; '.join(bag.skipped.lines())}")
    start = newest if start is None else start
    final = painter.frame(max(start + round(frames * period), timeline.end_ns), pictures, outcome)
    for _ in range(1 + round(END_CARD_S * float(encoder.rate))):
        encoder.add(final)
    if progress:
        progress(1.0)


def _pictures(bag, topics):
    """(stamp, camera, (h, w, 3) uint8 RGB) of all colour pictures that can be read."""
    for message in bag.messages(list(topics)):
        try:
            at, pixels = stamp_ns(message.data), image_array(message.data)
            if pixels.ndim != 3 or not pixels.size:
                raise ValueError(f"no colour picture: {message.data.encoding}, {pixels.shape}")
        except NOT_AS_EXPECTED as error:
            bag.skipped.add(message.topic, message.log_time_ns, str(error))
            continue
        yield at, topics[message.topic], pixels


def _captions(timeline: Timeline, scorecard: dict) -> tuple[str, str]:
    """(instruction, who did what in which scene)."""
    state = next((s for s in timeline.states if s.instruction), None)
    get = lambda key: str(scorecard.get(key, getattr(state, key, "")))  # noqa: E731
    title = get("instruction") or get("task") or "episode"
    parts = [
        commander_name(scorecard) or get("commander"),
        get("cell"),
        f"seed {get('seed')}" if get("seed") else "",
        get("variant"),
    ]
    return title, " · ".join(p for p in parts if p)


def _rate(bag: BagReader, topic: str) -> Fraction:
    """Frames a second of the pictures of `topic`, from the stamps of the first hundred."""
    stamps = [stamp_ns(m.data) for m in islice(bag.messages([topic]), 100) if hasattr(m.data, "header")]
    seconds = (stamps[-1] - stamps[0]) / 1e9 if stamps else 0.0
    rate = (len(stamps) - 1) / seconds if seconds > 0 else 10.0
    return Fraction(min(max(rate, 1.0), MAX_RATE_HZ)).limit_denominator(10)


class _Encoder:
    """An H.264 file that any browser and player opens."""

    def __init__(self, path: Path, shape: tuple[int, int], rate: Fraction):
        self.rate = rate
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._stream = self._container.add_stream("libx264", rate=rate)
        self._stream.height, self._stream.width = shape
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"preset": "veryfast", "crf": "23"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._stream.codec_context.is_open:
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def add(self, pixels: np.ndarray) -> None:
        """(H, W, 3) uint8 RGB."""
        planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_I420)  # a fifth of the time the encoder's own conversion takes
        self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
