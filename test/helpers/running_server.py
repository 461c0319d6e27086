"""A PolicyServer that runs in a thread of the test, and a policy that says what it saw."""

import asyncio
import threading

import numpy as np

from vipa.serving.server import Limits, PolicyServer

WAIT = 60  # seconds after which a test gives up; nothing is measured by it


class Echo:
    """Answers with the doubled array under "x", and waits at `gate` before it does."""

    def __init__(self):
        self.gate, self.began, self.asked = threading.Event(), threading.Event(), []
        self.gate.set()

    def infer(self, message: dict) -> dict:
        self.asked.append(message)
        self.began.set()
        assert self.gate.wait(WAIT)
        if "x" not in message:
            raise ValueError("missing key(s): x")
        return {"actions": np.asarray(message["x"]) * 2}


class Running:
    """Use as a context manager; `port` is where it listens."""

    def __init__(self, infer, metadata=None, token=None, port=0, **limits):
        self.server = (infer, metadata or {"who": "test"}, token, Limits(**limits))
        self.wanted, self._ready = port, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await PolicyServer(*self.server).run("127.0.0.1", self.wanted, self._listening, self._stop)

    def _listening(self, port):
        self.port = port
        self._ready.set()

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(WAIT)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT)
        assert not self._thread.is_alive()
