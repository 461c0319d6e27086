"""The zstd level of MCAP chunks: the `mcap` library's writer has none to set, and compresses at 3.

The level is one of the thread that writes, so that two bags do not meddle with each other.
"""

import threading

import zstandard
from mcap import writer

# (more than this share of a queue waits, level). Measured on 640x480 pictures with a sensor's noise, MB/s of a core and what is left: level 3 135
# and 56 %, level 1 440 and 62 %, level -50 2100 and 97 %
LEVELS = ((0.5, -50), (0.25, 1), (0.0, 3))
SMALL = LEVELS[-1][1]

_thread = threading.local()


def level_for(share: float) -> int:
    """The level for a queue of which `share` is full: the fuller, the faster."""
    return next((level for above, level in LEVELS if share > above), SMALL)


def use(level: int) -> None:
    """Compresses what this thread writes from now on at `level`."""
    _thread.level = level


class _Zstandard:
    """Stands in for the module in the library's writer."""

    def compress(self, data: bytes) -> bytes:
        return zstandard.ZstdCompressor(level=getattr(_thread, "level", SMALL)).compress(data)

    def __getattr__(self, name: str):
        return getattr(zstandard, name)


writer.zstandard = _Zstandard()
