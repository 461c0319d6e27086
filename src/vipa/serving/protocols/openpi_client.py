"""The client's side of openpi's websocket protocol. Unlike openpi's own client it never waits without end."""

import socket
import struct
from contextlib import ExitStack

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from vipa.serving.arrays import WireError
from vipa.serving.connection import ConnectionFailed
from vipa.serving.protocols import openpi_wire

MAX_ANSWER_BYTES = 64 * 2**20  # bytes


class OpenpiTransport:
    """See connection.Transport. token: sent as `Authorization: Api-Key TOKEN`."""

    def __init__(self, scheme: str, host: str, port: int, token: str | None = None):
        self.scheme, self.host, self.port, self.token = scheme, host, port, token
        self._socket: ClientConnection | None = None
        self._end = ExitStack()

    def open(self, timeout: float) -> dict:
        headers = {"Authorization": f"Api-Key {self.token}"} if self.token else None
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.close()
        try:
            link = self._end.enter_context(socket.create_connection((self.host, self.port), timeout))
            _never_block(link, timeout)
            connection = connect(
                f"{self.scheme}://{host}:{self.port}",
                sock=link,
                compression=None,
                max_size=MAX_ANSWER_BYTES,
                additional_headers=headers,
                open_timeout=timeout,
                close_timeout=0.5,
                proxy=None,
            )
            self._socket = self._end.enter_context(connection)
            return self._receive(timeout)
        except TimeoutError:
            raise ConnectionFailed(f"no connection within {timeout:g} s") from None
        except OSError as error:
            raise ConnectionFailed(f"no connection: {error.strerror or error}") from None
        except WebSocketException as error:
            raise ConnectionFailed(f"no connection: {_one_line(error)}{_hint(error)}") from None

    def ask(self, request: dict, timeout: float) -> dict:
        if self._socket is None:
            raise ConnectionFailed("not connected")
        try:
            self._socket.send(openpi_wire.pack(request))
            return self._receive(timeout)
        except TimeoutError:
            raise ConnectionFailed(f"no answer within {timeout:g} s") from None
        except (OSError, WebSocketException, WireError) as error:
            raise ConnectionFailed(f"connection lost: {_one_line(error)}") from None

    def _receive(self, timeout) -> dict:
        frame = self._socket.recv(timeout)
        if isinstance(frame, str):  # a traceback of the server's: its last line says what happened
            raise ConnectionFailed(f"the server says: {(frame.strip().splitlines() or ['nothing'])[-1][:300]}")
        try:
            message = openpi_wire.unpack(frame)
        except WireError as error:
            raise ConnectionFailed(f"the answer cannot be read: {error}") from None
        if not isinstance(message, dict):
            raise ConnectionFailed(f"the answer is {type(message).__name__}; allowed: a map")
        return message

    def close(self) -> None:
        self._socket = None
        self._end.close()


def _never_block(link: socket.socket, timeout: float) -> None:
    """Also a server that has stopped to read, or a cable that was pulled, ends a send."""
    link.settimeout(None)
    seconds = int(timeout)
    interval = struct.pack("ll", seconds, int((timeout - seconds) * 1e6))
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, interval)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1, int(timeout * 1e3)))


def _one_line(error) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _hint(error) -> str:
    return "; it wants a token, give it as VIPA_TOKEN" if "401" in str(error) else ""
