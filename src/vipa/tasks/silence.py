"""Why a commander has sent nothing: which of its reasons stood longest."""

import re


class Silence:
    """Of one commander, in ROS time. A reason stands until the next word of it comes; reasons that differ in numbers are one."""

    def __init__(self, now_ns: int):
        self._begin(now_ns)

    def _begin(self, now_ns: int) -> None:
        self.began_ns = self.since_ns = now_ns
        self.reason = ""
        self.stood: dict[str, int] = {}  # reason without numbers → ns
        self.words: dict[str, str] = {}  # reason without numbers → as it was said last

    def heard(self, reason: str, now_ns: int) -> None:
        """The commander says why it sends nothing; "": it works, and what was said before is forgotten."""
        if not reason:
            self._begin(now_ns)
            return
        self._count(now_ns)
        self.reason = reason

    def longest(self, now_ns: int) -> str:
        """The reason that stood longest, "" if that is nothing heard at all."""
        self._count(now_ns)
        return self.words[max(self.stood, key=lambda reason: self.stood[reason])] if self.stood else ""

    def seconds(self, now_ns: int) -> float:
        """How long it has sent nothing."""
        return (now_ns - self.began_ns) / 1e9

    def _count(self, now_ns: int) -> None:
        key = re.sub(r"\d+(\.\d+)?", "#", self.reason)
        self.stood[key] = self.stood.get(key, 0) + now_ns - self.since_ns
        self.words[key] = self.reason
        self.since_ns = now_ns
