"""What could not be read of a bag, by topic."""

from dataclasses import dataclass, field


@dataclass
class Skips:
    """Of one topic. reason: why the first one was skipped."""

    reason: str
    whole_topic: int = 0
    times: set[int] = field(default_factory=set)

    @property
    def count(self) -> int:
        return max(self.whole_topic, len(self.times))


class SkipLog:
    """Counts skipped messages; one that is met again when the bag is read again counts once."""

    def __init__(self):
        self.topics: dict[str, Skips] = {}

    def add(self, topic: str, log_time_ns: int, reason: str) -> None:
        self.topics.setdefault(topic, Skips(reason)).times.add(log_time_ns)

    def add_topic(self, topic: str, count: int, reason: str) -> None:
        """All `count` messages of a topic."""
        self.topics.setdefault(topic, Skips(reason)).whole_topic += count

    def __bool__(self) -> bool:
        return bool(self.topics)

    def lines(self) -> list[str]:
        """One for each topic, e.g. "/a: 3 messages skipped: not a whole std_msgs/msg/String (…)"."""
        return [
            f"{name}: {s.count} message{'' if s.count == 1 else 's'} skipped: {s.reason}"
            for name, s in sorted(self.topics.items())
        ]
