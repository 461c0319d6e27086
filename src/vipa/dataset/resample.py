"""Reads a bag at the ticks of one rate: at each, the newest message of every topic that was stamped not after it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

from vipa.dataset.readings import Reader, Reading, reading
from vipa.errors import VipaError
from vipa.recording.reader import BagReader

OTHER_CLOCK_NS = 86_400_000_000_000  # a day: what is logged so long after its stamp was logged by another clock
SLACK_NS = 1_000_000_000  # a message may be recorded this long after its stamp


class _Track:
    """Messages of one topic by stamp, as far back as the present tick needs."""

    def __init__(self):
        self.stamps: list[int] = []
        self.messages: list[Reading] = []

    def add(self, message: Reading) -> None:
        place = bisect_right(self.stamps, message.stamp_ns)
        self.stamps.insert(place, message.stamp_ns)
        self.messages.insert(place, message)

    def forget(self, before: int) -> None:
        """Drops what is older than the newest message that is not after `before`."""
        place = bisect_right(self.stamps, before) - 1
        if place > 0:
            del self.stamps[:place], self.messages[:place]


class Instant:
    """One tick. Valid until the next one is asked for."""

    def __init__(self, at_ns: int, tracks: dict[str, _Track]):
        self.at_ns, self._tracks = at_ns, tracks

    def newest(self, topic: str) -> Reading | None:
        """The topic's newest message that is not after the tick; None if there is none."""
        track = self._tracks.get(topic)
        place = bisect_right(track.stamps, self.at_ns) - 1 if track else -1
        return track.messages[place] if place >= 0 else None

    def nearest(self, topic: str, at_ns: int, ahead: bool = False) -> Reading | None:
        """The topic's message nearest to `at_ns` of those that are not after the tick; of all for `ahead`."""
        track = self._tracks[topic]
        end = len(track.stamps) if ahead else bisect_right(track.stamps, self.at_ns)
        first = max(0, bisect_left(track.stamps, at_ns, 0, end) - 1)
        place = min(range(first, min(end, first + 2)), key=lambda i: abs(track.stamps[i] - at_ns), default=None)
        return None if place is None else track.messages[place]


class Resampler:
    """Iterates over ticks `period_ns` apart, from the first at or after `start_ns` at which every `required` topic has a
    message, to `end_ns`. Keeps a second of messages, however long the bag is. readers: what is made of a topic's messages; one
    that cannot be used is left out and named in the bag's `skipped`. Raises VipaError, iterated, if the bag's log times are of another
    clock than the messages' stamps: what was seen when is not in it."""

    def __init__(
        self,
        bag: BagReader,
        readers: Mapping[str, Reader],
        required: Sequence[str],
        optional: Sequence[str],
        start_ns: int,
        end_ns: int,
        period_ns: int,
    ):
        self.bag, self.readers, self.required, self.optional = bag, readers, list(required), list(optional)
        self.start_ns, self.end_ns, self.period_ns = start_ns, end_ns, period_ns

    def _check_clock(self, topic: str, log_ns: int, stamp_ns: int) -> None:
        if abs(log_ns - stamp_ns) > OTHER_CLOCK_NS:
            raise VipaError(
                f"{self.bag.folder}: {topic} was stamped at {stamp_ns / 1e9:.1f} s and logged at {log_ns / 1e9:.1f} s; "
                "allowed: one clock for both. Record a simulated cell with `vipa record` or `ros2 bag record --use-sim-time`"
            )

    def __iter__(self) -> Iterator[Instant]:
        tracks = {topic: _Track() for topic in (*self.required, *self.optional)}
        at: int | None = None
        for message in self.bag.messages(list(tracks)):
            found = reading(self.bag, message, self.readers[message.topic])
            if found is None:
                continue
            tracks[message.topic].add(found)
            if at is None and all(tracks[t].stamps for t in self.required):
                at = max(self.start_ns, *(tracks[t].stamps[0] for t in self.required))
                self._check_clock(message.topic, message.log_time_ns, found.stamp_ns)
            while at is not None and at <= self.end_ns and at + SLACK_NS < message.log_time_ns:
                yield Instant(at, tracks)
                at += self.period_ns
                # the tick before stays whole: a camera's picture may want the joints of its own time
                for track in tracks.values():
                    track.forget(at - SLACK_NS)
        while at is not None and at <= self.end_ns:
            yield Instant(at, tracks)
            at += self.period_ns
