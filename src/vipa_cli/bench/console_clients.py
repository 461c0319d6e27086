"""Clients of a web console in a process of their own: all but the last look at two cameras, the last one asks for everything and never reads.

Run as `python -m vipa_cli.bench.console_clients ADDRESS COUNT SETTLE_S [FRAMES]` until standard input ends, or FRAMES were shown in all; then
it prints one line of JSON: `frames` of all clients after the first SETTLE_S seconds, `seconds` that they took, `sent_ms` and
`age_ms` (50 and 95 % of how old frames were when they were sent, and when they were shown). A phone takes nothing of the cell's machine: without FRAMES this process runs only where nobody else
wants a core (SCHED_IDLE).
"""

import json
import os
import struct
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

WATCH = ("scene", "wrist")


@dataclass
class Clients:
    """Clients of the console at `address`, each on a thread, until `end`."""

    address: str
    end: threading.Event = field(default_factory=threading.Event)
    ages: list[tuple[float, float]] = field(
        default_factory=list
    )  # of each frame when it was sent and when it was shown, ms
    frames: int = 0

    def begin(self, count: int) -> list[threading.Thread]:
        """Opens `count` of them; the last one stalls."""
        kinds = [self._look] * (count - 1) + [self._stall]
        threads = [threading.Thread(target=kind, daemon=True) for kind in kinds]
        for thread in threads:
            thread.start()
        return threads

    def _open(self, path: str):
        place, _, token = self.address.partition("/?")
        where = f"ws{place.removeprefix('http')}{path}?{token}"
        return connect(where, origin=place, compression=None, max_size=None, ping_interval=None)

    def _look(self) -> None:
        with self._open("/frames") as frames, self._open("/state") as state:
            threading.Thread(target=_drain, args=(state,), daemon=True).start()
            frames.send(json.dumps({"watch": WATCH}))
            while not self.end.is_set():
                try:
                    data = frames.recv(1.0)
                except TimeoutError:
                    continue
                (length,) = struct.unpack("<I", data[:4])
                told = json.loads(data[4 : 4 + length])
                frames.send(json.dumps({"got": told["camera"]}))
                self.frames += 1
                if told["age_ms"] is not None and told["shown_ms"] is not None:
                    self.ages.append((told["age_ms"], told["age_ms"] + told["shown_ms"]))

    def _stall(self) -> None:
        with self._open("/frames") as frames, self._open("/state"):
            frames.send(json.dumps({"watch": WATCH}))
            self.end.wait()

    def found(self, settle_s: float, frames: int) -> dict:
        """What they saw from `settle_s` seconds on until standard input ends, or they have seen `frames`, if it is not 0."""
        time.sleep(settle_s)
        self.ages.clear()
        self.frames, began = 0, time.monotonic()
        if frames:
            while self.frames < frames:
                time.sleep(0.1)
        else:
            sys.stdin.read()
        self.end.set()
        seconds, ages = time.monotonic() - began, self.ages[:]
        sent, shown = np.quantile(ages, (0.5, 0.95), axis=0).T.tolist() if ages else (None, None)
        return {"frames": self.frames, "seconds": seconds, "sent_ms": sent, "age_ms": shown}


def _drain(socket) -> None:
    with suppress(ConnectionClosed):
        for _ in socket:
            pass


def main() -> None:
    """What the command line asks for."""
    address, count, settle_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    frames = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    if not frames:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    clients = Clients(address)
    clients.begin(count)
    print(json.dumps(clients.found(settle_s, frames)), flush=True)


if __name__ == "__main__":
    main()
