"""A phone or tablet: a web page with two pads to drag and a button to hold. Nothing moves unless it is held.

Commands are leases: each lets the arm move for LEASE_S seconds and no longer, on a socket that carries nothing else, so that a page
that stalls, a lost network or a pocket stop the arm.
"""

import asyncio
import hmac
import http
import json
import math
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass
from importlib import resources
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import numpy as np
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response

from vipa.commanders.teleop.device import EVENTS, SELECTED, ArmInput, DeviceInput
from vipa.config import Range
from vipa.errors import VipaError

LEASE_S = 0.125  # seconds for which one command holds
MAX_BYTES = 1024  # of a command
MAX_EVENTS = 32
EVERYWHERE = "0.0.0.0"  # noqa: S104 - a name that no request may use; listening there is asked for by option


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
        self.options, self.token = options, options.token or secrets.token_urlsafe(16)
        self.port = options.port
        self._rate, self._until = np.zeros(6), -math.inf
        self._events: deque[str] = deque(maxlen=MAX_EVENTS)
        self._changed, self._loop, self._stop = (lambda: None), None, None
        self._driver = None  # the connection that drives
        self._failed = ""

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Where the page is."""
        return (("page", self.address),)

    @property
    def address(self) -> str:
        """What to open."""
        return f"http://{self.options.name or self.options.host}:{self.port}/?token={self.token}"

    def open(self, changed) -> None:
        self._changed = changed
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True, name=self.name).start()
        ready.wait(10)
        if self._failed:
            raise VipaError(f"device page: {self.options.host}:{self.options.port}: {self._failed}")

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await serve(
                self._drive, self.options.host, self.options.port, process_request=self._answer, max_size=MAX_BYTES,
                compression=None, ping_interval=1, ping_timeout=2,
            )  # fmt: skip
        except OSError as error:
            self._failed = error.strerror or str(error)
            ready.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await self._stop.wait()

    # who may

    def _answer(self, connection, request) -> Response | None:
        """The page, a refusal, or None: the socket that drives."""
        if why := self._refusal(request):
            return _response(http.HTTPStatus.FORBIDDEN, f"{why}\n".encode(), "text/plain")
        path = urlsplit(request.path).path
        if path == "/drive":
            return None
        if path != "/":
            return _response(http.HTTPStatus.NOT_FOUND, b"no such page\n", "text/plain")
        page = resources.files(__package__).joinpath("page.html").read_bytes()
        return _response(http.HTTPStatus.OK, page, "text/html; charset=utf-8")

    def _refusal(self, request) -> str:
        """'' or why `request` is not answered: another host's name (DNS rebinding), another site's page, no token."""
        host = request.headers.get("Host", "")
        names = {self.options.host, self.options.name, "127.0.0.1", "localhost"} - {"", EVERYWHERE}
        if host not in {f"{name}:{self.port}" for name in names}:
            return f"host '{host[:80]}'; allowed: {', '.join(sorted(names))}; others by the option name"
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{host}":
            return "a page of another site"
        if urlsplit(request.path).path == "/drive" and origin is None:
            return "no Origin"
        given = parse_qs(urlsplit(request.path).query).get("token", [""])[0]
        return "" if hmac.compare_digest(given.encode(), self.token.encode()) else "wrong token"

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
        except ConnectionClosed:
            pass
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
        if self._loop is not None and not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(self._stop.set)
            except RuntimeError:  # it has ended by itself
                pass


def _response(status: http.HTTPStatus, body: bytes, kind: str) -> Response:
    headers = Headers({
        "Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Connection": "close",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
    })  # fmt: skip
    return Response(status.value, status.phrase, headers, body)


def make(options: Options) -> Page:
    """A page, not served yet."""
    return Page(options)
