"""A connection to a policy's server that opens when it is needed and, after a failure, again with back-off."""

import time
from collections.abc import Callable
from typing import Protocol

from vipa.errors import NoChunk

FIRST_RETRY_S, LONGEST_RETRY_S = 0.25, 5.0  # wall seconds between attempts; doubled after every failure


class ConnectionFailed(Exception):
    """The server cannot be reached, does not answer in time, or answered with an error: why, in one line."""


class Transport(Protocol):
    """One connection. All of it raises ConnectionFailed, and is closed then: a late answer can never pass for the next one's."""

    def open(self, timeout: float) -> dict:
        """Connects; gives what the server says of itself."""

    def ask(self, request: dict, timeout: float) -> dict:
        """The answer to `request`."""

    def close(self) -> None:
        """Ends it, also if it never was open."""


class Connection:
    """One thread. accept: called with what the server says of itself whenever it is connected; raises ConnectionFailed to refuse it.

    clock: monotonic seconds.
    """

    def __init__(self, transport: Transport, name: str, timeout: float, accept: Callable[[dict], None],
                 clock: Callable[[], float] = time.monotonic):  # fmt: skip
        self.transport, self.name, self.timeout, self.accept, self.clock = transport, name, timeout, accept, clock
        self.connected, self._wait, self._again = False, FIRST_RETRY_S, 0.0
        self._why = ""

    def open(self) -> None:
        """Connects now, whatever failed before. Raises ConnectionFailed."""
        try:
            self.accept(self.transport.open(self.timeout))
        except ConnectionFailed as error:
            self._failed(error)
            raise
        self.connected = True

    def ask(self, request: Callable[[], dict]) -> dict:
        """The answer to what `request` builds. Raises NoChunk with the reason; while it waits to try again, at once."""
        if not self.connected and (left := self._again - self.clock()) > 0:
            raise NoChunk(f"policy {self.name}: {self._why}; trying again in {left:.1f} s")
        try:
            if not self.connected:
                self.open()
            answer = self.transport.ask(request(), self.timeout)
        except ConnectionFailed as error:
            if self.connected:
                self._failed(error)
            raise NoChunk(f"policy {self.name}: {error}") from None
        self._wait = FIRST_RETRY_S
        return answer

    def close(self) -> None:
        self.connected = False
        self.transport.close()

    def _failed(self, error) -> None:
        self._why, self._again = str(error), self.clock() + self._wait
        self._wait = min(2 * self._wait, LONGEST_RETRY_S)
        self.close()
