"""What every client of the console sees: the newest state and the newest frame of each camera, and no queue behind either."""

import asyncio
import json
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """A picture to be shown. stamp_ns: ROS time of it. age_s: how old it was, in ROS time, when it was put here; None: not known.
    put: monotonic seconds of that."""

    name: str
    number: int
    jpeg: bytes
    stamp_ns: int
    age_s: float | None
    put: float


class Viewer:
    """One client. It gets a frame of a camera when it has acknowledged the one before: who stalls costs nothing. The server's thread."""

    def __init__(self, board: "Board", loop: asyncio.AbstractEventLoop):
        self.board, self.loop = board, loop
        self.news = asyncio.Event()
        self.watched: set[str] = set()
        self.in_flight: dict[str, float] = {}  # cameras whose last frame has not been acknowledged, and since when
        self.shown_s: dict[str, float] = {}  # from sending a camera's last frame to its acknowledgement
        self.pending: dict[str, Frame] = {}

    def watch(self, names) -> None:
        """From now on frames of the cameras `names`, and of no others."""
        with self.board.lock:
            self.watched = set(names)
            self.in_flight = {n: at for n, at in self.in_flight.items() if n in self.watched}
            self.pending = {n: f for n, f in self.pending.items() if n in self.watched}

    def acknowledge(self, name: str) -> None:
        """The frame of camera `name` has been shown."""
        with self.board.lock:
            if (sent := self.in_flight.pop(name, None)) is not None:
                self.shown_s[name] = time.monotonic() - sent
        self.news.set()

    def take(self) -> list[Frame]:
        """The frames that are to be sent now."""
        with self.board.lock:
            ready = [f for n, f in self.pending.items() if n not in self.in_flight]
            for frame in ready:
                del self.pending[frame.name]
                self.in_flight[frame.name] = time.monotonic()
        return ready

    def _wake(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self.news.set)
        except RuntimeError:  # the server has ended
            pass


class Board:
    """Written by the node's thread, read by the server's."""

    def __init__(self):
        self.lock = threading.Lock()
        self.state = "{}"
        self.version = 0
        self._viewers: set[Viewer] = set()

    def join(self, loop: asyncio.AbstractEventLoop) -> Viewer:
        """A new client, which is told of news on `loop`."""
        viewer = Viewer(self, loop)
        with self.lock:
            self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """It has gone."""
        with self.lock:
            self._viewers.discard(viewer)

    def put_state(self, document: dict) -> None:
        """The state that every client shall have. Raises ValueError for a number that is not finite: JSON has none."""
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
        with self.lock:
            if text == self.state:
                return
            self.state, self.version = text, self.version + 1
            viewers = list(self._viewers)
        for viewer in viewers:
            viewer._wake()

    def watched(self) -> set[str]:
        """Cameras that some client looks at."""
        with self.lock:
            return set().union(*(v.watched for v in self._viewers))

    def wanted(self, name: str) -> bool:
        """Whether some client waits for a frame of the camera `name`: only then one is worth encoding."""
        with self.lock:
            return any(name in v.watched and name not in v.in_flight for v in self._viewers)

    def put_frame(self, frame: Frame) -> None:
        """A new frame, in the place of what a client has not been sent yet."""
        with self.lock:
            viewers = [v for v in self._viewers if frame.name in v.watched]
            for viewer in viewers:
                viewer.pending[frame.name] = frame
        for viewer in viewers:
            viewer._wake()

    @property
    def clients(self) -> int:
        """Open connections that look."""
        with self.lock:
            return len(self._viewers)
