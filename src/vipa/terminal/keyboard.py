"""Single keys of a terminal, without a return key. No ROS."""

import os
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def single_keys(stream=None) -> Iterator[bool]:
    """Within it a terminal at `stream` (standard input) gives every key at once and shows none; afterwards it is as before.
    Yields whether there is one, and this process is in its foreground: in the background the keys are the shell's. Ctrl-C stays what
    it is. For processes that inherit it, too."""
    stream = stream or sys.stdin
    if not is_terminal(stream) or not _in_foreground(stream):
        yield False
        return
    before = termios.tcgetattr(stream)
    tty.setcbreak(stream)
    try:
        yield True
    finally:
        with suppress(termios.error):  # it has been closed
            termios.tcsetattr(stream, termios.TCSADRAIN, before)


def is_terminal(stream=None) -> bool:
    """Whether keys can come from `stream` (standard input)."""
    stream = stream or sys.stdin
    return stream is not None and not stream.closed and stream.isatty()


def _in_foreground(stream) -> bool:
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except OSError:  # not our controlling terminal: nobody else's keys either
        return True


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
