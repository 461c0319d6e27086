"""What the console serves: its page and the history by GET, and three sockets: state, frames, commands.

Commands have a socket of their own, so that no picture stands before an emergency stop.
"""

import asyncio
import json
import struct
import time
from importlib import resources

from websockets.exceptions import ConnectionClosed

from vipa.console.board import Board, Frame
from vipa.console.history import History
from vipa.console.requests import Requests
from vipa.web.server import Reply, Service

KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
REPORT = "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; media-src data:"
STATE_PERIOD_S = 0.2  # wall seconds between two states that a client gets, at least
MAX_WATCHED = 16  # cameras that a client may look at


class Console:
    """Sockets and pages over a board, requests and a history. The server's thread."""

    def __init__(self, board: Board, requests: Requests, history: History):
        self.board, self.requests, self.history = board, requests, history
        folder = resources.files(__package__).joinpath("page")
        self.files = {
            f"/{f.name}": (f.name, f.read_bytes()) for f in folder.iterdir() if f.name.rpartition(".")[2] in KINDS
        }

    @property
    def service(self) -> Service:
        """What a WebServer serves."""
        return Service(self.answer, {"/state": self.state, "/frames": self.frames, "/commands": self.commands})

    def answer(self, path: str) -> Reply | None:
        """The reply to GET `path`, None if there is none."""
        name, body = self.files.get("/index.html" if path == "/" else path, ("", b""))
        if name:
            return Reply(body, KINDS[name.rpartition(".")[2]])
        if path == "/runs":
            return Reply(json.dumps(self.history.rows(), allow_nan=False).encode(), "application/json")
        if path.startswith("/runs/") and (report := self.history.report(path.removeprefix("/runs/"))) is not None:
            return Reply(report, policy=REPORT)
        return None

    async def state(self, connection) -> None:
        """Sends the newest state whenever there is a newer one, and says nothing of those between."""
        viewer, sent = self.board.join(asyncio.get_running_loop()), -1
        try:
            while True:
                if sent != self.board.version:
                    sent = self.board.version
                    await connection.send(self.board.state)
                    await asyncio.sleep(STATE_PERIOD_S)
                viewer.news.clear()
                if sent == self.board.version:
                    await _either(viewer.news.wait(), connection.wait_closed())
                    if connection.close_code is not None:
                        return
        finally:
            self.board.leave(viewer)

    async def frames(self, connection) -> None:
        """Sends frames of what the client watches: {"watch": [names]}; {"got": name} acknowledges one and asks for the next."""
        viewer = self.board.join(asyncio.get_running_loop())
        sending = asyncio.create_task(self._send_frames(connection, viewer))
        try:
            async for text in connection:
                try:
                    _heard(viewer, text)
                except ValueError as error:
                    await connection.close(1007, str(error)[:100])
                    return
        finally:
            self.board.leave(viewer)
            sending.cancel()

    async def _send_frames(self, connection, viewer) -> None:
        try:
            while True:
                await viewer.news.wait()
                viewer.news.clear()
                for frame in viewer.take():
                    await connection.send(packed(frame, viewer.shown_s.get(frame.name)))
        except ConnectionClosed:
            pass

    async def commands(self, connection) -> None:
        """Takes requests and answers each with {"id", "done", "message"}, in the order in which they are met."""
        waiting: set[asyncio.Task] = set()
        try:
            async for text in connection:
                try:
                    request = self.requests.ask(_document(text))
                except ValueError as error:
                    await connection.close(1007, str(error)[:100])
                    return
                task = asyncio.create_task(self._tell(connection, request))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
        finally:
            for task in waiting:
                task.cancel()

    async def _tell(self, connection, request) -> None:
        done, words = await asyncio.shield(asyncio.wrap_future(request.answer))
        try:
            await connection.send(json.dumps({"id": request.id, "done": done, "message": words}))
        except ConnectionClosed:
            pass


def packed(frame: Frame, shown_s: float | None = None) -> bytes:
    """A frame on the wire: the length of a JSON header (4 bytes, little-endian), the header, the JPEG. shown_s: how long the client took to
    get and show the one before."""
    waited = time.monotonic() - frame.put
    age = None if frame.age_s is None else round(1e3 * (frame.age_s + waited), 1)
    told = {"camera": frame.name, "number": frame.number, "stamp_ns": str(frame.stamp_ns), "age_ms": age,
            "shown_ms": None if shown_s is None else round(1e3 * shown_s, 1)}  # fmt: skip
    header = json.dumps(told).encode()
    return struct.pack("<I", len(header)) + header + frame.jpeg


def _heard(viewer, text) -> None:
    said = _document(text)
    watch, got = said.get("watch"), said.get("got")
    if (
        isinstance(watch, list)
        and len(watch) <= MAX_WATCHED
        and all(isinstance(n, str) and len(n) <= 64 for n in watch)
    ):
        viewer.watch(watch)
    elif isinstance(got, str):
        viewer.acknowledge(got)
    else:
        raise ValueError('allowed: {"watch": [cameras]}, {"got": camera}')


def _document(text) -> dict:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    if not isinstance(said, dict):
        raise ValueError("allowed: an object")
    return said


async def _either(*waits) -> None:
    """Waits for the first of them, and drops the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
