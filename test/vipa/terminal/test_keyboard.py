"""Keys of a terminal, at a real pseudo-terminal."""

import io
import os
import pty
import queue
import sys
import termios

from vipa.terminal import keyboard


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


BOTH = """
import os
from vipa.terminal import keyboard
child = os.fork()
if not child:
    os.setpgid(0, 0)  # as a shell starts what is to run in the background
    with keyboard.single_keys() as typing:
        os._exit(int(typing))
behind = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
with keyboard.single_keys() as typing:
    print("front", typing, "behind", bool(behind), flush=True)
"""


def test_in_the_background_the_keys_are_the_shells():
    child, terminal = pty.fork()
    if not child:
        os.execv(sys.executable, [sys.executable, "-c", BOTH])
    said = b""
    while b"behind" not in said or not said.endswith(b"\n"):
        try:
            said += os.read(terminal, 1024)
        except OSError:  # it has ended
            break
    os.waitpid(child, 0)
    os.close(terminal)
    assert b"front True behind False" in said, said
