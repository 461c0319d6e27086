"""A phone or tablet: a web page with two pads to drag and a button to hold. Nothing moves unless it is held.

Commands are leases: each lets the arm move for LEASE_S seconds and no longer, on a socket that carries nothing else, so that a page
that stalls, a lost network or a pocket stop the arm.
"""

import json
import math
import time
from collections import deque
from dataclasses import dataclass
from importlib import resources
from typing import Annotated

import numpy as np

from vipa.commanders.teleop.device import EVENTS, SELECTED, ArmInput, DeviceInput
from vipa.config import Range
from vipa.errors import VipaError
from vipa.web.access import Access
from vipa.web.server import Reply, Service, WebServer

LEASE_S = 0.125  # seconds for which one command holds
MAX_BYTES = 1024  # of a command
MAX_EVENTS = 32
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"


@dataclass(frozen=True)
class Options:
    """host: address to listen on, this machine alone by default; 0.0.0.0: whoever reaches it. name: host name or address that the
    page is opened by from elsewhere. token: "" a new one, which the page's address carries."""

    host: str = "127.0.0.1"
    port: Annotated[int, Range(0, 65535)] = 8790
    name: str = ""
    token: str = ""


class Page:
    """Serves its page, and one person at a time."""

    name, deadman = "page", True

    def __init__(self, options: Options):
        self.options = options
        access = Access(options.host, options.name, options.token)
        service = Service(self._answer, {"/drive": self._drive}, MAX_BYTES, ping=(1.0, 2.0))
        self.server = WebServer(access, options.port, service, another=False)
        self._rate, self._until = np.zeros(6), -math.inf
        self._events: deque[str] = deque(maxlen=MAX_EVENTS)
        self._changed = lambda: None
        self._driver = None  # the connection that drives

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Where the page is."""
        return (("page", self.address),)

    @property
    def address(self) -> str:
        """What to open."""
        return self.server.address

    def open(self, changed) -> None:
        self._changed = changed
        try:
            self.server.open()
        except VipaError as error:
            raise VipaError(f"device page: {error}") from None

    def _answer(self, path: str) -> Reply | None:
        """The page."""
        if path != "/":
            return None
        return Reply(resources.files(__package__).joinpath("page.html").read_bytes(), policy=POLICY)

    # what it says

    async def _drive(self, connection) -> None:
        if self._driver is not None:
            await connection.close(1008, "somebody drives already")
            return
        self._driver = connection
        try:
            async for text in connection:
                if why := self.take(text, time.monotonic()):
                    await connection.close(1007, why[:100])
                    return
        finally:
            self._driver, self._until = None, -math.inf
            self._changed()

    def take(self, text: str | bytes, now: float) -> str:
        """One command: {"hold": bool, "rate": [6 numbers], "event": name}. '' or why it is none."""
        try:
            said = json.loads(text)
            rate = [float(v) for v in said.get("rate", [0.0] * 6)]
            held, event = said.get("hold") is True, said.get("event", "")
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            return f"no command: {type(error).__name__}"
        if len(rate) != 6 or not all(map(math.isfinite, rate)):
            return "rate: allowed: six finite numbers"
        if event:
            if event not in EVENTS:
                return "unknown event"
            self._events.append(event)
        self._rate, self._until = np.clip(rate, -1, 1), (now + LEASE_S if held else -math.inf)
        self._changed()
        return ""

    def read(self, now: float) -> DeviceInput:
        events = []
        while self._events:
            events.append(self._events.popleft())
        return DeviceInput({SELECTED: ArmInput(held=now < self._until, rate=self._rate)}, tuple(events))

    def close(self) -> None:
        self.server.close()


def make(options: Options) -> Page:
    """A page, not served yet."""
    return Page(options)
