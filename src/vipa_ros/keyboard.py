"""Single keys of a terminal, without a return key. No ROS."""

import os
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def single_keys(stream=None) -> Iterator[bool]:
    """Within it a terminal at `stream` (standard input) gives every key at once and shows none; afterwards it is as before.
    Yields whether there is a terminal. Ctrl-C stays what it is. For processes that inherit it, too."""
    stream = stream or sys.stdin
    if stream is None or stream.closed or not stream.isatty():
        yield False
        return
    before = termios.tcgetattr(stream)
    tty.setcbreak(stream)
    try:
        yield True
    finally:
        termios.tcsetattr(stream, termios.TCSADRAIN, before)


def listen(press: Callable[[str], None], stream=None) -> threading.Thread:
    """Calls `press` with every key typed at `stream` (standard input), on a thread of its own, until the terminal or the
    process ends."""
    handle = (stream or sys.stdin).fileno()

    def read():
        try:
            while key := os.read(handle, 1):
                press(key.decode(errors="ignore"))
        except OSError:  # the terminal is gone
            pass

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread
