"""Parts of video files, cut and joined: packets are copied, and only what lies before a part's first key frame is encoded anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av

from vipa.dataset.video import OPTIONS, VideoWriter
from vipa.errors import VipaError


@dataclass(frozen=True)
class Segment:
    """Frames first .. first + count - 1 of a video file."""

    path: Path
    first: int
    count: int


@dataclass(frozen=True)
class Form:
    """What two videos must have alike for one to follow the other in a file."""

    codec: str
    width: int
    height: int
    pixels: str
    parameters: bytes


def form(path: Path) -> Form:
    """The form of a video file. Raises VipaError if it is unreadable."""
    try:
        return _form(Path(path), Path(path).stat().st_mtime_ns)
    except (av.FFmpegError, IndexError, OSError) as error:
        raise VipaError(f"{path}: {error}") from None


def size(segment: Segment, fps: int) -> int:
    """Bytes of a segment's packets. Raises VipaError if its file is unreadable or ends before."""
    with _opened(segment.path) as file:
        return sum(packet.size for packet in _packets(file, segment, fps))


def join(segments: list[Segment], fps: int, out: Path, container: str = "mp4") -> None:
    """Writes segments of one form behind one another; frame k of `out` is shown at exactly k / fps.

    Each segment begins at a key frame (`at_key_frames`). Raises VipaError if a file is unreadable or ends before its segment does.
    """
    with av.open(str(out), "w", format=container, options=OPTIONS[container]) as target:
        stream, before = None, 0
        for segment in segments:
            with _opened(segment.path) as file:
                video = file.streams.video[0]
                if stream is None:
                    stream = target.add_stream_from_template(video)
                    stream.time_base = video.time_base
                shift = round(Fraction(before - segment.first, fps) / video.time_base)
                for packet in _packets(file, segment, fps):
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    target.mux(packet)
            before += segment.count


def at_key_frames(segment: Segment, fps: int, kind: str, folder: Path, name: str) -> list[Segment]:
    """The same frames as segments that each begin at a key frame and have one form; what must be encoded anew, as a `kind` of
    `vipa.dataset.video.KINDS`, goes to files in `folder` that begin with `name`."""
    with _opened(segment.path) as file:
        told = [(p.is_keyframe, p.pts == p.dts) for p in _packets(file, segment, fps)]
    key = next((k for k, (begins, _) in enumerate(told) if begins), segment.count)
    ordered = all(in_order for _, in_order in told)
    if ordered and key == 0:
        return [segment]
    if ordered and key < segment.count:
        head = _encoded(Segment(segment.path, segment.first, key), fps, kind, Path(folder) / f"{name}.head")
        if form(head.path) == form(segment.path):
            return [head, Segment(segment.path, segment.first + key, segment.count - key)]
    return [_encoded(segment, fps, kind, Path(folder) / name)]


def _encoded(segment: Segment, fps: int, kind: str, out: Path) -> Segment:
    """Encodes a segment anew into `out`, from its decoded pixels as they are."""
    with _opened(segment.path) as file:
        stream = file.streams.video[0]
        writer = VideoWriter(out, stream.height, stream.width, fps, kind)
        try:
            _seek(file, segment, fps)
            for frame in file.decode(stream):
                number = round(frame.pts * stream.time_base * fps)
                if number >= segment.first:
                    writer.add_decoded(frame)
                if writer.frames == segment.count:
                    break
        finally:
            writer.close()
    if writer.frames != segment.count:
        raise VipaError(f"{segment.path}: {writer.frames} frames from {segment.first}, want {segment.count}")
    return Segment(out, 0, segment.count)


def _packets(file, segment: Segment, fps: int) -> Iterator[av.Packet]:
    """The packets of a segment, in the order of the file."""
    video = file.streams.video[0]
    _seek(file, segment, fps)
    found = 0
    for packet in file.demux(video):
        if packet.dts is None:
            continue
        number = round(packet.pts * video.time_base * fps)
        if segment.first <= number < segment.first + segment.count:
            found += 1
            yield packet
            if found == segment.count:
                return
    raise VipaError(f"{segment.path}: {found} frames from {segment.first}, want {segment.count}")


def _seek(file, segment: Segment, fps: int) -> None:
    stream = file.streams.video[0]
    if segment.first:
        file.seek(round(Fraction(segment.first, fps) / stream.time_base), stream=stream)


@contextmanager
def _opened(path: Path):
    try:
        with av.open(str(path)) as file:
            yield file
    except (av.FFmpegError, IndexError) as error:
        raise VipaError(f"{path}: {error}") from None


@lru_cache(maxsize=4096)
def _form(path: Path, _changed_ns: int) -> Form:
    with av.open(str(path)) as file:
        codec = file.streams.video[0].codec_context
        return Form(codec.name, codec.width, codec.height, str(codec.pix_fmt), bytes(codec.extradata or b""))
