"""A server of Foxglove's WebSocket protocol that passes ROS messages on as they were serialized (CDR, ros2msg schemas)."""

import threading

from vipa.errors import VipaError
from vipa.recording.definitions import definition

MAX_BACKLOG = 64  # messages that wait for a slow viewer; older ones are dropped


class FoxgloveServer:
    """Listens at `host`:`port`. Viewers can publish nothing, call nothing and set nothing. Raises VipaError."""

    def __init__(self, host: str, port: int):
        try:
            import foxglove
            from foxglove.websocket import Capability
        except ModuleNotFoundError:
            raise VipaError("foxglove-sdk is not installed; run: pip install 'vipa_ros[view]'") from None
        foxglove.set_log_level("ERROR")
        self._make, self._schema = foxglove.Channel, foxglove.Schema
        self._context = foxglove.Context()  # nobody else's channels
        self._lock = threading.Lock()
        self._channels: dict[str, foxglove.Channel] = {}
        self._kept: dict[str, bytes] = {}
        self._latched: set[str] = set()
        self._looked: dict[str, int] = {}
        try:
            self._server = foxglove.start_server(
                name="VIPA", host=host, port=port, capabilities=[Capability.Time], server_listener=self, context=self._context,
                message_backlog_size=MAX_BACKLOG,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - the SDK raises its own kinds
            raise VipaError(
                f"{host}:{port}: {error}; allowed: an address of this machine, a port that is free"
            ) from None
        self.address = f"ws://{host}:{self._server.port}"

    def add(self, topic: str, type_: str, latched: bool = False) -> None:
        """A topic of the ROS type `type_` (package/msg/Name). latched: whoever comes later gets the newest message."""
        schema = self._schema(name=type_, encoding="ros2msg", data=definition(type_).encode())
        with self._lock:
            if topic in self._channels:
                return
            if latched:
                self._latched.add(topic)
            self._channels[topic] = self._make(topic, schema=schema, message_encoding="cdr", context=self._context)

    def send(self, topic: str, data: bytes) -> None:
        """A serialized message; it costs nothing while nobody looks."""
        if topic in self._latched:
            self._kept[topic] = data
        if self._looked.get(topic):
            self._channels[topic].log(data)

    def tell_time(self, ns: int) -> None:
        """ROS time, for the viewers' clocks."""
        if any(self._looked.values()):
            self._server.broadcast_time(ns)

    def close(self) -> None:
        """Ends it."""
        self._server.stop()

    # the SDK's listener, on its threads

    def on_subscribe(self, client, channel) -> None:
        """Somebody looks at a topic: what is latched is said again."""
        self._looked[channel.topic] = self._looked.get(channel.topic, 0) + 1
        if (data := self._kept.get(channel.topic)) is not None:
            self._channels[channel.topic].log(data)

    def on_unsubscribe(self, client, channel) -> None:
        """Somebody has looked away, or has gone."""
        self._looked[channel.topic] = max(self._looked.get(channel.topic, 0) - 1, 0)
