"""Reads bags: topics, times, decoded messages, images as arrays. Needs no ROS: definitions stand in the bag itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.rosbag2 import ReaderError

from vipa_ros.errors import VipaError, unknown
from vipa_ros.recording import metadata


class Message(NamedTuple):
    """A message of a bag. `data`: the decoded message, with the fields of its type; arrays are numpy arrays."""

    topic: str
    log_time_ns: int
    data: Any


@dataclass(frozen=True)
class TopicInfo:
    """A topic of a bag: type ("pkg/msg/Name") and number of messages."""

    name: str
    type: str
    count: int


class BagReader:
    """A rosbag2 bag (MCAP or SQLite), open for reading; a context manager. Not for use by several threads at once.

    topics: {name: TopicInfo}. start_ns, end_ns: log times of the first and last message. custom_data: as recorded.
    """

    def __init__(self, folder: Path):
        """Opens the bag. Raises VipaError if it is no bag, or cut off (then `vipa_ros.recording.repair` mends it)."""
        self.folder = Path(folder)
        information = metadata.read_metadata(self.folder)
        if information is None:
            raise VipaError(f"bag {self.folder}: no readable metadata.yaml; one that was cut off: vipa record --repair")
        self.custom_data: dict[str, str] = information.get("custom_data") or {}
        self._reader = AnyReader([self.folder])
        try:
            self._reader.open()
        except (AnyReaderError, ReaderError, OSError, ValueError, AssertionError) as error:
            raise VipaError(f"bag {self.folder}: {error}; one that was cut off: vipa record --repair") from None
        self.topics = {
            name: TopicInfo(name, info.msgtype or "", info.msgcount) for name, info in self._reader.topics.items()
        }
        empty = not any(t.count for t in self.topics.values())
        self.start_ns: int = 0 if empty else self._reader.start_time
        self.end_ns: int = 0 if empty else self._reader.end_time - 1  # rosbags' end is exclusive

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()

    @property
    def duration(self) -> float:
        """Seconds from the first to the last message."""
        return (self.end_ns - self.start_ns) / 1e9

    def messages(
        self, topics: Sequence[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[Message]:
        """Decoded messages of `topics` (None: all) with start_ns <= log time < stop_ns, in order of log time.

        A topic the bag lacks is refused with VipaError; `name in bag.topics` asks.
        """
        for name, log_time, raw, typename in self._raw(topics, start_ns, stop_ns):
            yield Message(name, log_time, self._reader.deserialize(raw, typename))

    def raw(
        self, topics: Sequence[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[tuple[str, int, bytes]]:
        """As `messages`, but (topic, log time, serialized bytes)."""
        for name, log_time, raw, _ in self._raw(topics, start_ns, stop_ns):
            yield name, log_time, bytes(raw)

    def _raw(self, topics, start_ns, stop_ns):
        for name in topics or ():
            if name not in self.topics:
                raise unknown("topic of the bag", name, self.topics)
        if topics is not None and not topics:
            return
        chosen = [c for c in self._reader.connections if topics is None or c.topic in topics]
        for connection, log_time, raw in self._reader.messages(chosen, start=start_ns, stop=stop_ns):
            yield connection.topic, log_time, raw, connection.msgtype

    def camera_names(self) -> list[str]:
        """Names of the cameras whose colour images (`/camera/<name>/color/image_raw`) are in the bag, sorted."""
        parts = (name.split("/") for name, info in self.topics.items() if info.count)
        return sorted(p[2] for p in parts if p[:2] == ["", "camera"] and p[3:] == ["color", "image_raw"])


def stamp_ns(message) -> int:
    """Header stamp of a decoded message, nanoseconds of ROS time."""
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


_ENCODINGS = {
    "rgb8": (np.uint8, 3),
    "bgr8": (np.uint8, 3),
    "rgba8": (np.uint8, 4),
    "mono8": (np.uint8, 1),
    "mono16": (np.uint16, 1),
    "16UC1": (np.uint16, 1),
    "32FC1": (np.float32, 1),
}


def image_array(image) -> np.ndarray:
    """A decoded sensor_msgs/Image as an array: (H, W, 3) uint8 RGB for colour, (H, W) uint16 or float32 or uint8 else.

    Raises VipaError for an encoding that is not known or a data size that does not fit.
    """
    if image.encoding not in _ENCODINGS:
        raise unknown("image encoding", image.encoding, _ENCODINGS)
    scalar, channels = _ENCODINGS[image.encoding]
    dtype = np.dtype(scalar).newbyteorder(">" if image.is_bigendian else "<")
    row = image.width * channels * dtype.itemsize
    if image.step < row or len(image.data) < image.step * image.height:
        raise VipaError(
            f"image {image.width}x{image.height} {image.encoding}: step {image.step} and {len(image.data)} bytes; "
            f"allowed: step >= {row} and step * height bytes"
        )
    rows = np.frombuffer(image.data, np.uint8, image.step * image.height).reshape(image.height, image.step)
    pixels = np.ascontiguousarray(rows[:, :row]).view(dtype).reshape(image.height, image.width, channels)
    if channels == 1:
        return pixels[..., 0].astype(scalar, copy=False)
    if image.encoding == "bgr8":
        return np.ascontiguousarray(pixels[..., ::-1])
    return np.ascontiguousarray(pixels[..., :3])
