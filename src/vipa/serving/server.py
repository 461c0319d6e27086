"""A policy behind openpi's websocket protocol.

First frame: metadata. Then observation → answer with server_timing, one at a time over all connections: a policy is one
machine. Messages are read in its thread, too: the loop stays free for others whatever they hold. An error is one text frame, after which the connection is closed, as openpi's server does. `GET /healthz` answers
also while the policy works.
"""

import asyncio
import hmac
import http
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.frames import CloseCode

from vipa.serving.protocols import openpi_wire
from vipa.web.listening import bind

log = logging.getLogger("vipa.serve")


@dataclass(frozen=True)
class Limits:
    """max_bytes: of one message. timeout: seconds an answer may take, and a client may take to read it. max_clients: open
    connections; another one takes the place of who has asked nothing for `idle` seconds, longest first, or is refused with
    HTTP 503."""

    max_bytes: int = 32 * 2**20
    timeout: float = 30.0
    max_clients: int = 8
    idle: float = 10.0


class PolicyServer:
    """Serves a policy on a websocket, one question at a time over all connections. `run` belongs to one event loop.

    Args:
        infer: answers a message (a dict of numpy arrays and text) with one; called in one thread of its own.
        metadata: first frame of every connection.
        token: what clients must send as `Authorization: Api-Key TOKEN`; None: anybody may ask.
        limits: sizes, times and connections.
    """

    def __init__(self, infer: Callable[[dict], dict], metadata: dict, token: str | None, limits: Limits = Limits()):
        self.infer, self.metadata, self.token, self.limits = infer, openpi_wire.pack(metadata), token, limits
        self.clients: dict[
            ServerConnection, float | None
        ] = {}  # since when each has been idle, monotonic; None: it waits
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="policy")
        self._turn = asyncio.Lock()
        self._closing: set[asyncio.Future] = set()

    async def run(self, host: str, port: int, ready: Callable[[int], None], stop: asyncio.Event) -> None:
        """Serves until `stop`. ready: called with the port, another one if `port` is taken. Raises VipaError."""
        sockets = bind(host, port)
        async with serve(
            self._talk,
            sock=sockets,
            compression=None,
            max_size=self.limits.max_bytes,
            max_queue=1,
            close_timeout=1.0,
            process_request=self._admit,
            origins=[None],  # no web page may ask: browsers send an Origin, robots do not
            logger=_quiet(),
        ) as server:
            ready(sockets.getsockname()[1])
            await stop.wait()
            await self._end(server)
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _end(self, server: Server) -> None:
        server.close()
        await server.wait_closed()

    def _admit(self, connection: ServerConnection, request):
        """None: a websocket may be opened; else the HTTP answer."""
        if request.path == "/healthz":
            return connection.respond(http.HTTPStatus.OK, "OK\n")
        if self.token is not None:
            given = request.headers.get_all("Authorization")
            wanted = f"Api-Key {self.token}".encode()
            if len(given) != 1 or not hmac.compare_digest(given[0].encode(), wanted):
                log.warning("%s refused: no or another token", _who(connection))
                return connection.respond(
                    http.HTTPStatus.UNAUTHORIZED, "wants the header Authorization: Api-Key TOKEN\n"
                )
        if len(self.clients) >= self.limits.max_clients and not self._make_room():
            text = f"{len(self.clients)} clients are connected already and at work\n"
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, text)
        return None

    def _make_room(self) -> bool:
        """Ends the connection that has been idle longest, if any has for `idle` seconds; a client that wants to go on opens
        another one."""
        since = {c: at for c, at in self.clients.items() if at is not None}
        longest = min(since, key=since.get, default=None)
        if longest is None or time.monotonic() - since[longest] < self.limits.idle:
            return False
        del self.clients[longest]
        log.info(
            "%s has asked nothing for %.0f s: its place goes to another client",
            _who(longest),
            time.monotonic() - since[longest],
        )
        closing = asyncio.ensure_future(longest.close(CloseCode.TRY_AGAIN_LATER, "idle, and others want the place"))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        return True

    async def _talk(self, connection: ServerConnection) -> None:
        self.clients[connection] = time.monotonic()
        times: list[float] = []
        log.info("%s connected", _who(connection))
        why = "lost"
        try:
            async with asyncio.timeout(self.limits.timeout):
                await connection.send(self.metadata)
            why = await self._answers(connection, times)
        except ConnectionClosedOK:
            why = "closed"
        except (ConnectionClosed, TimeoutError):
            why = "lost"
        finally:
            self.clients.pop(connection, None)
            middle = f", {sorted(times)[len(times) // 2]:.1f} ms each (median)" if times else ""
            log.info("%s %s: %d answers%s", _who(connection), why, len(times), middle)

    async def _answers(self, connection, times) -> str:
        """Answers until an error is sent, and says which."""
        previous = None
        while True:
            message = await connection.recv()
            self._idle(connection, False)
            began = time.monotonic()
            try:
                if isinstance(message, str):
                    raise ValueError("a text frame; allowed: binary frames of msgpack")
                answer, took = await self._infer(connection, message)
            except ValueError as error:
                return await self._refuse(connection, str(error))
            except TimeoutError:
                return await self._refuse(connection, f"no answer within {self.limits.timeout:g} s")
            except Exception as error:  # the policy's own failure: told, and the server goes on
                log.exception("the policy failed")
                return await self._refuse(connection, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
            answer["server_timing"] = {"infer_ms": took * 1e3}
            if previous is not None:
                answer["server_timing"]["prev_total_ms"] = previous * 1e3
            async with asyncio.timeout(self.limits.timeout):
                await connection.send(openpi_wire.pack(answer))
            self._idle(connection, True)
            previous = time.monotonic() - began
            times.append(took * 1e3)

    def _idle(self, connection, idle: bool) -> None:
        if connection in self.clients:  # else its place is another's already
            self.clients[connection] = time.monotonic() if idle else None

    async def _infer(self, connection, message: bytes) -> tuple[dict, float]:
        """The answer and its seconds. Who has gone while waiting for its turn costs nothing."""
        async with asyncio.timeout(self.limits.timeout), self._turn:
            if connection.close_code is not None:
                raise ValueError("the client has gone")
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, message)

    def _answer(self, message: bytes) -> tuple[dict, float]:
        read = openpi_wire.unpack(message)
        began = time.monotonic()
        return self.infer(read), time.monotonic() - began

    async def _refuse(self, connection, reason) -> str:
        async with asyncio.timeout(self.limits.timeout):
            await connection.send(reason)
            await connection.close(CloseCode.INTERNAL_ERROR, "the reason is in the frame before")
        return f"refused ({reason[:200]})"


def _who(connection) -> str:
    address = connection.remote_address
    return f"{address[0]}:{address[1]}" if address else "a client"


def _quiet() -> logging.Logger:
    """websockets logs a traceback for every port scan; what matters is told by us."""
    logger = logging.getLogger("vipa.serve.websockets")
    logger.setLevel(logging.CRITICAL)
    return logger
