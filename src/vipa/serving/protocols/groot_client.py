"""The client's side of GR00T's protocol: ZMQ REQ, one msgpack message each way."""

import zmq

from vipa.serving.arrays import WireError
from vipa.serving.connection import ConnectionFailed
from vipa.serving.protocols import groot_wire

MAX_ANSWER_BYTES = 64 * 2**20  # bytes


class GrootTransport:
    """See connection.Transport. token: sent as api_token. A REQ socket that got no answer is of no more use: every failure ends it."""

    def __init__(self, host: str, port: int, token: str | None = None):
        self.address, self.token = f"tcp://{f'[{host}]' if ':' in host else host}:{port}", token
        self._context = zmq.Context.instance()
        self._socket: zmq.Socket | None = None

    def open(self, timeout: float) -> dict:
        """What the server says of its modalities: {"video": {...}, "state": {...}, ...}."""
        self.close()
        self._socket = self._context.socket(zmq.REQ)
        self._socket.setsockopt(zmq.LINGER, 0)  # closing never waits for a server that is gone
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_ANSWER_BYTES)
        self._socket.setsockopt(zmq.IPV6, 1)
        try:
            self._socket.connect(self.address)
        except zmq.ZMQError as error:
            raise ConnectionFailed(f"no connection: {error}") from None
        self._call({"endpoint": "ping"}, timeout)
        return self._call({"endpoint": "get_modality_config"}, timeout)

    def ask(self, request: dict, timeout: float) -> dict:
        """The action's arrays by key, (T, columns) each."""
        answer = self._call({"endpoint": "get_action", "data": {"observation": request, "options": None}}, timeout)
        if not isinstance(answer, list) or not answer or not isinstance(answer[0], dict):
            raise ConnectionFailed(f"the answer is {type(answer).__name__}; allowed: [action, info]")
        for key, value in answer[0].items():
            if getattr(value, "ndim", 0) != 3 or len(value) != 1:
                shape = getattr(value, "shape", type(value).__name__)
                raise ConnectionFailed(f"the answer's {str(key)[:60]} is {shape}; allowed: (1, T, columns)")
        return {key: value[0] for key, value in answer[0].items()}

    def _call(self, request: dict, timeout: float):
        if self._socket is None:
            raise ConnectionFailed("not connected")
        if self.token:
            request = request | {"api_token": self.token}
        for option in (zmq.SNDTIMEO, zmq.RCVTIMEO):
            self._socket.setsockopt(option, max(1, round(timeout * 1e3)))
        try:
            self._socket.send(groot_wire.pack(request))
            answer = groot_wire.unpack(self._socket.recv())
        except zmq.Again:
            raise ConnectionFailed(f"no answer to {request['endpoint']} within {timeout:g} s") from None
        except zmq.ZMQError as error:
            raise ConnectionFailed(f"connection lost: {error}") from None
        except WireError as error:
            raise ConnectionFailed(f"the answer cannot be read: {error}") from None
        if isinstance(answer, dict) and "error" in answer:
            raise ConnectionFailed(f"the server says: {' '.join(str(answer['error']).split())[:300]}")
        return answer

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
