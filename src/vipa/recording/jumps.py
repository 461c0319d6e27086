"""Where time jumps in a bag: ROS time that goes back or leaps ahead, so that what follows is no part of the same episode.

Messages are looked at in the order they were written: in the order of their times, two pasts are one heap.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from vipa.recording.topic_names import JOINT_STATES

BACK_NS = 200_000_000  # joint states of two arms may come in turns, each with its own age
LOG_BACK_NS = 500_000_000  # threads of a recorder may swap messages; by this much they do not
AHEAD_NS = 1_000_000_000  # joint states come at 30 Hz or more
_STAMP = struct.Struct("<iI")


@dataclass(frozen=True)
class Jump:
    """A jump of time: `at_ns` is the ROS time of the last message before it, `by_ns` how far (negative: back), `topic` where
    it was seen, `position` that of the first message after it."""

    at_ns: int
    by_ns: int
    topic: str
    position: tuple[int, int]

    @property
    def back(self) -> bool:
        return self.by_ns < 0

    def __str__(self) -> str:
        way = "jumps back" if self.back else "jumps ahead or stands still for"
        return f"time {way} {abs(self.by_ns) / 1e9:.1f} s at {self.at_ns / 1e9:.2f} s (seen in {self.topic})"


class Seen(NamedTuple):
    """A message in file order. data: as serialized."""

    topic: str
    log_ns: int
    position: tuple[int, int]
    data: bytes


def find_jump(messages: Iterable[Seen]) -> Jump | None:
    """The first jump of time among `messages`, which come in file order; None if there is none.

    Back: a topic's log time is more than LOG_BACK_NS, or the stamp of /joint_states more than BACK_NS, behind the newest one
    before. Ahead: the next /joint_states comes more than AHEAD_NS later. Stamps of 0 say nothing.
    """
    logs: dict[str, int] = {}
    stamp = 0
    for topic, log_ns, position, data in messages:
        newest = logs.get(topic, log_ns)
        if log_ns < newest - LOG_BACK_NS:
            return Jump(newest, log_ns - newest, topic, position)
        logs[topic] = max(newest, log_ns)
        if topic == JOINT_STATES:
            at = _stamp_ns(data)
            if at and stamp and not stamp - BACK_NS <= at <= stamp + AHEAD_NS:
                return Jump(stamp, at - stamp, topic, position)
            stamp = max(stamp, at)
    return None


def _stamp_ns(data: bytes) -> int:
    """The header's stamp of a serialized message that begins with one; 0 if it is too short or not little-endian."""
    if len(data) < 12 or data[1] != 1:
        return 0
    sec, nanosec = _STAMP.unpack_from(data, 4)
    return sec * 1_000_000_000 + nanosec
