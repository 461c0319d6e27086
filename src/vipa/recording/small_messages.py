"""Small messages of a bag, kept from the first time it is gone through: chunks full of pictures need not be decompressed again for them."""

from collections.abc import Collection, Iterator
from typing import Any

from vipa.recording.storage import Stored

MESSAGE_BYTES = 64 << 10  # a connection with a larger message is not kept
KEPT_BYTES = 64 << 20  # in all; beyond, nothing is kept
OVERHEAD_BYTES = 200  # bytes that a kept message costs beside its data


class SmallMessages:
    """Keeps the messages of connections that have only small ones. `watched` fills it; then the other methods may be asked. large:
    connections that are not kept, however small their messages."""

    def __init__(self, large: Collection = ()):
        self._kept: dict[Any, list[Stored]] = {}
        self._large: set = set(large)
        self._bytes = 0
        self._full = False

    def watched(self, messages: Iterator[Stored]) -> Iterator[Stored]:
        """Passes on all messages of a bag, in the order of the file."""
        for message in messages:
            if not self._full:
                self._keep(message)
            yield message

    def _keep(self, message: Stored) -> None:
        key = message.connection
        if key in self._large:
            return
        if len(message.data) > MESSAGE_BYTES:
            self._large.add(key)
            self._bytes -= sum(len(m.data) + OVERHEAD_BYTES for m in self._kept.pop(key, []))
            return
        self._kept.setdefault(key, []).append(message)
        self._bytes += len(message.data) + OVERHEAD_BYTES
        if self._bytes > KEPT_BYTES:
            self._full = True
            self._kept.clear()

    def end(self, position: tuple[int, int]) -> None:
        """Forgets what lies at `position` or after it in the file."""
        self._kept = {key: [m for m in kept if m.position < position] for key, kept in self._kept.items()}

    def has(self, wanted: Collection) -> bool:
        """Whether all messages of the connections `wanted` are kept."""
        return not self._full and self._large.isdisjoint(wanted)

    def in_time_order(self, wanted: Collection, start_ns: int | None, stop_ns: int | None) -> Iterator[Stored]:
        """As a storage's: by log time, what has the same time in file order."""
        found = [m for key in wanted for m in self._kept.get(key, [])]
        for message in sorted(found, key=lambda m: (m.log_ns, m.position)):
            if (start_ns is None or message.log_ns >= start_ns) and (stop_ns is None or message.log_ns < stop_ns):
                yield message
