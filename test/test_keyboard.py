"""Keys of a terminal, at a real pseudo-terminal."""

import io
import os
import pty
import queue
import termios

from vipa_ros import keyboard


def test_keys_come_one_by_one_and_the_terminal_is_as_before():
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        before = termios.tcgetattr(terminal)
        seen = queue.SimpleQueue()
        with keyboard.single_keys(terminal) as typing:
            assert typing
            assert not termios.tcgetattr(terminal)[3] & (termios.ICANON | termios.ECHO)
            assert termios.tcgetattr(terminal)[3] & termios.ISIG  # Ctrl-C stays what it is
            thread = keyboard.listen(seen.put, terminal)
            os.write(ours, b" d")
            assert [seen.get(timeout=30), seen.get(timeout=30)] == [" ", "d"]
        assert termios.tcgetattr(terminal) == before
        os.close(ours)
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_where_there_is_no_terminal_nothing_is_done():
    with keyboard.single_keys(io.StringIO()) as typing:
        assert not typing
