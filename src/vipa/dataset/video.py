"""Video files of a dataset: colour in H.264, depth without loss in FFV1, written, and read by frame number."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vipa.errors import VipaError

# libx265's fastest, without loss; frames in the order of time, so that files can be joined, and one thread, as episodes are
# written beside each other. Blocks of 16 pixels, no search for motion, no deblocking (which changes no pixel without loss): measured
# on rendered 320x240 depth (CPU a frame) 2.9 ms, and 5.3 ms with x265's own blocks of 64. FFV1 takes 0.9 ms and 60 % of the room, but
# LeRobot's edits know no such codec.
HEVC = {
    "preset": "ultrafast",
    "g": "2",
    "x265-params": "lossless=1:bframes=0:rc-lookahead=0:scenecut=0:aq-mode=0:pools=none:frame-threads=1:log-level=none"
    ":ctu=16:no-wpp=1:no-deblock=1:rd=1:me=0:merange=0:subme=0",
}
# `ultrafast` at 21 is as close to the pictures as `veryfast` at 20, for half the time to write, two thirds of that to read and up to 29 %
# more room: docs/benchmarks.md. No look ahead: x264's reads memory that nobody wrote (seen at up to 64 pixels across), and two builds
# of one bag then differ.
H264 = {"preset": "ultrafast", "crf": "21", "g": "2", "bf": "0", "threads": "1", "rc-lookahead": "0"}
# by container. Matroska would draw an id by chance, and two builds of one bag would differ.
OPTIONS = {"mp4": {"movflags": "+faststart"}, "matroska": {"fflags": "+bitexact"}}
KINDS = {
    "color": ("mp4", "libx264", "yuv420p", H264),
    "depth": ("matroska", "ffv1", "gray16le", {"level": "3", "slicecrc": "1", "g": "1"}),
    "depth map": ("mp4", "libx265", "gray12le", HEVC),
}


class VideoWriter:
    """Writes one file, frame after frame, of one of KINDS. One thread.

    Colour (.mp4): libx264, a key frame every second frame and no B-frames, so that any frame is two decodes away at most.
    Depth (.mkv): FFV1, every frame a key frame, with CRCs; measured on rendered 320x240 depth, FFV1's usual key frame every twelfth saves
    5 % and makes a read of one frame 4.5 times as dear. Depth map (.mp4): HEVC of 12-bit codes, see `vipa.dataset.depth`.
    """

    def __init__(self, path: Path, height: int, width: int, fps: int, kind: str = "color"):
        self.frames, self._open = 0, True
        container, codec, pixels, settings = KINDS[kind]
        self._format = "rgb24" if kind == "color" else pixels
        self._container = av.open(str(path), "w", format=container, options=OPTIONS[container])
        self._stream = self._container.add_stream(codec, rate=fps)
        self._stream.height, self._stream.width, self._stream.pix_fmt = height, width, pixels
        self._stream.options = dict(settings)
        self._time_base = Fraction(1, fps)

    def add(self, pixels: np.ndarray) -> None:
        """(H, W, 3) uint8 RGB, (H, W) uint16 for depth, (H, W) uint16 codes for a depth map."""
        self._encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=self._format))

    def add_decoded(self, frame: av.VideoFrame) -> None:
        """A frame of another video as it was decoded, so that colours are not converted twice."""
        frame.pict_type = (
            av.video.frame.PictureType.NONE
        )  # else the encoder would repeat the other's choice of key frames
        self._encode(frame)

    def _encode(self, frame: av.VideoFrame) -> None:
        frame.pts, frame.time_base = self.frames, self._time_base
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def close(self) -> None:
        """Completes the file; a second call does nothing."""
        if self._open:
            self._open = False
            if self.frames:
                self._container.mux(self._stream.encode(None))
            self._container.close()


def read_frames(path: Path, first: int, count: int, fps: int, depth: bool = False) -> np.ndarray:
    """Frames first .. first + count - 1 of a file: (count, H, W, 3) uint8 RGB, or (count, H, W) uint16 for depth.

    Raises VipaError if the file is unreadable or ends before.
    """
    found: list[np.ndarray] = []
    try:
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            stream.thread_type = "NONE"  # a few small frames: threads cost more than they save
            if first:
                file.seek(round(Fraction(first, fps) / stream.time_base), stream=stream)
            for frame in file.decode(stream):
                number = round(frame.pts * stream.time_base * fps)
                if number >= first:
                    found.append(frame.to_ndarray(format="gray16le" if depth else "rgb24"))
                if len(found) == count:
                    break
    except (av.FFmpegError, IndexError) as error:
        raise VipaError(f"{path}: {error}") from None
    if len(found) != count:
        raise VipaError(f"{path}: {len(found)} frames from {first}, want {count}")
    return np.stack(found) if found else np.zeros((0, 0, 0), np.uint16 if depth else np.uint8)


def count_frames(path: Path) -> int:
    """Frames in a file, counted without decoding. Raises VipaError if it is unreadable."""
    try:
        with av.open(str(path)) as file:
            return sum(1 for packet in file.demux(video=0) if packet.dts is not None)
    except (av.FFmpegError, IndexError) as error:
        raise VipaError(f"{path}: {error}") from None
