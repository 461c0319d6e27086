"""What the recorder node stands on: topics that outlive episodes, and one bag an episode."""

import json
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from vipa.errors import VipaError
from vipa.recording import definitions
from vipa.recording.bag import BagSummary, BagWriter
from vipa.recording.metadata import Qos


class _Topic:
    def __init__(self, name: str, type: str, qos: tuple[Qos, ...], latched: int):
        self.name, self.type, self.qos = name, type, qos
        self.latched: deque[bytes] = deque(maxlen=latched)
        self.id_in_bag: int | None = None
        self.lost = 0


class Recorder:
    """Writes the messages of its topics to one bag after another. All methods: any thread; none waits for the disk
    but `stop`.

    A latched message (transient local: /tf_static, the episode's status) reaches a subscriber once, not once a bag:
    the newest ones are kept and begin every bag, stamped with its start.
    """

    def __init__(self, queue_bytes: int = 64 << 20):
        self._queue_bytes = queue_bytes
        self._lock = threading.Lock()
        self._topics: list[_Topic] = []
        self._bag: BagWriter | None = None

    @property
    def recording(self) -> bool:
        return self._bag is not None

    def add_topic(self, name: str, type: str, qos: Sequence[Qos] = (), latched: int | None = None) -> int:
        """Adds a topic, at any time, and returns its number for `record`.

        `latched`: how many of its newest messages begin every bag; None: 1 for a transient local topic, else 0. A
        topic with several latched writers (/tf_static) wants their number. Raises VipaError if the type's definition
        is not found.
        """
        definitions.definition(type)
        if latched is None:
            latched = int(any(q.durability == "transient_local" for q in qos))
        with self._lock:
            if any(t.name == name for t in self._topics):
                raise VipaError(f"recorder: topic {name} was added already")
            topic = _Topic(name, type, tuple(qos), latched)
            self._topics.append(topic)
            if self._bag is not None:
                topic.id_in_bag = self._bag.add_topic(name, type, qos)
            return len(self._topics) - 1

    def start(self, folder: Path, custom_data: dict[str, str], now_ns: int) -> None:
        """Begins a bag. Raises VipaError if one is being written or the folder cannot take it."""
        with self._lock:
            if self._bag is not None:
                raise VipaError(f"recorder: already writes {self._bag.folder}; stop it first")
            bag = BagWriter(folder, custom_data, queue_bytes=self._queue_bytes)
            for topic in self._topics:
                topic.lost = 0
                topic.id_in_bag = bag.add_topic(topic.name, topic.type, topic.qos)
                for data in topic.latched:
                    bag.write(topic.id_in_bag, now_ns, now_ns, data)
            self._bag = bag

    def record(self, topic: int, log_time_ns: int, publish_time_ns: int, data: bytes) -> None:
        """One serialized message. Outside a bag only latched ones are kept."""
        with self._lock:
            entry = self._topics[topic]
            if entry.latched.maxlen:
                if data in entry.latched:  # said again: it is the newest
                    entry.latched.remove(data)
                entry.latched.append(data)
            if self._bag is not None:
                self._bag.write(entry.id_in_bag, log_time_ns, publish_time_ns, data)

    def lost(self, topic: int, count: int) -> None:
        """The middleware reports `count` messages of the topic lost before they got here; they count as dropped."""
        with self._lock:
            self._topics[topic].lost += count

    def summary(self) -> BagSummary | None:
        """Of the bag being written; None outside one."""
        with self._lock:
            return None if self._bag is None else self._with_lost(self._bag.summary())

    def stop(self) -> BagSummary | None:
        """Closes the bag and returns its summary; None if there was none. May take as long as the disk does."""
        with self._lock:
            bag, self._bag = self._bag, None
        return None if bag is None else self._with_lost(bag.close())

    def _with_lost(self, summary: BagSummary) -> BagSummary:
        for topic in self._topics:
            if topic.lost:
                summary.dropped[topic.name] = summary.dropped.get(topic.name, 0) + topic.lost
        return summary


def summary_json(summary: BagSummary) -> str:
    """The `summary` of vipa_msgs/RecordEpisode: messages, bytes, dropped (by topic), duration_s, file_bytes, error."""
    return json.dumps(
        {
            "messages": summary.messages,
            "bytes": summary.bytes,
            "dropped": summary.dropped,
            "duration_s": summary.duration,
            "file_bytes": summary.file_bytes,
            "error": summary.error,
        }
    )
