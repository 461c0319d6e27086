"""A small web server on a thread of its own: GET for pages and files, WebSockets for the rest. websockets serves both on one port."""

import asyncio
import http
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response

from vipa.errors import VipaError
from vipa.web.access import Access
from vipa.web.listening import bind

OPENING_S = 10.0  # wall seconds within which it listens
MAX_CLIENTS = 64  # open sockets; another one is refused
POLICY = "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'"
FIXED = {
    "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
    "Connection": "close",
}  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """What a GET gives. policy: Content-Security-Policy of it."""

    body: bytes
    kind: str = "text/html; charset=utf-8"
    status: http.HTTPStatus = http.HTTPStatus.OK
    policy: str = POLICY


MISSING = Reply(b"no such page\n", "text/plain", http.HTTPStatus.NOT_FOUND)


@dataclass(frozen=True)
class Service:
    """What a web server offers: the parts that a page, an API or a socket adds to it.

    answer: path → the reply, or None, on a worker thread. sockets: path → coroutine that talks until the end.
    max_bytes: of a message that comes in. ping: seconds between two looks whether a client is there, and for its answer."""

    answer: Callable[[str], Reply | None]
    sockets: Mapping[str, Callable[[ServerConnection], Awaitable[None]]] = field(default_factory=dict)
    max_bytes: int = 4096
    ping: tuple[float, float] = (5.0, 10.0)


class WebServer:
    """Serves `service` to whom `access` lets in. another: if `port` is taken, a free one will do. loop: of its thread, once it is open."""

    def __init__(self, access: Access, port: int, service: Service, another: bool = True):
        self.access, self.port, self.service, self.another = access, port, service, another
        self.loop: asyncio.AbstractEventLoop | None = None
        self.clients = 0
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """What to open."""
        return self.access.address(self.port)

    def open(self) -> None:
        """Begins to listen. Raises VipaError."""
        listening = bind(self.access.host, self.port, self.another)
        self.port = listening.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listening, ready)), daemon=True, name="web"
        )
        self._thread.start()
        if not ready.wait(OPENING_S):
            raise VipaError(f"{self.access.host}:{self.port}: the web server did not begin within {OPENING_S:g} s")

    def close(self) -> None:
        """Ends it. A server that is not open is left alone."""
        if self.loop is None or self.loop.is_closed():
            return
        try:
            self.loop.call_soon_threadsafe(self._stop.set)
        except RuntimeError:  # it has ended by itself
            return
        self._thread.join(2.0)

    async def _serve(self, listening, ready: threading.Event) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        every, patience = self.service.ping
        async with serve(
            self._talk, sock=listening, process_request=self._admit, max_size=self.service.max_bytes, compression=None,
            ping_interval=every, ping_timeout=patience, close_timeout=1.0,
        ):  # fmt: skip
            ready.set()
            await self._stop.wait()

    async def _admit(self, connection: ServerConnection, request) -> Response | None:
        """None: a socket may be opened; else the HTTP answer."""
        path = unquote(urlsplit(request.path).path)
        socket = path in self.service.sockets
        if why := self.access.refusal(request, self.port, socket):
            return _response(Reply(f"{why}\n".encode(), "text/plain", http.HTTPStatus.FORBIDDEN))
        if socket:
            if self.clients >= MAX_CLIENTS:
                return _response(Reply(b"too many clients\n", "text/plain", http.HTTPStatus.SERVICE_UNAVAILABLE))
            return None
        reply = await asyncio.to_thread(self.service.answer, path) or MISSING
        return _response(reply, self.access.set_cookie(self.port) if path == "/" else "")

    async def _talk(self, connection: ServerConnection) -> None:
        self.clients += 1
        try:
            await self.service.sockets[unquote(urlsplit(connection.request.path).path)](connection)
        except ConnectionClosed:
            pass
        finally:
            self.clients -= 1


def _response(reply: Reply, set_cookie: str = "") -> Response:
    headers = Headers(FIXED | {
        "Content-Type": reply.kind, "Content-Length": str(len(reply.body)), "Content-Security-Policy": reply.policy,
    })  # fmt: skip
    if set_cookie:
        headers["Set-Cookie"] = set_cookie
    return Response(reply.status.value, reply.status.phrase, headers, reply.body)
