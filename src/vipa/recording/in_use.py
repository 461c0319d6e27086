"""Whether somebody is writing a file: our recorder holds a lock on it; others are found by their open files in /proc."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vipa.errors import VipaError


def lock(file) -> bool:
    """Locks an open file against `claimed`, until it is closed or its process ends. False if somebody else holds the lock.

    A file system that knows no locks is taken as unlocked.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


@contextmanager
def claimed(path: Path) -> Iterator:
    """The file, open for reading (bytes) and locked, for who wants to replace it.

    Raises VipaError if somebody writes it. Who may not see other users' processes compares `state` before and after.
    """
    with path.open("rb") as file:
        named = os.stat(path)
        if not lock(file) or (named.st_dev, named.st_ino) != _identity(file.fileno()):
            raise VipaError(f"{path}: is being recorded or repaired; stop that first")
        if who := writers(path):
            raise VipaError(f"{path}: is being written by {', '.join(who)}; stop that first")
        yield file


def state(file) -> tuple[int, int]:
    """What changes when a file is written: its size and the time of its last change."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def writers(path: Path) -> list[str]:
    """ "name (pid)" of every process that has `path` open for writing, as far as this user may see."""
    target = os.stat(path)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for fd in (process / "fd").iterdir():
                if _writes(process, fd, target):
                    found.append(
                        f"{(process / 'comm').read_text(encoding='utf-8', errors='replace').strip()} ({process.name})"
                    )
                    break
        except OSError:  # it ended, or is somebody else's
            continue
    return found


def _writes(process: Path, fd: Path, target: os.stat_result) -> bool:
    try:
        status = os.stat(fd)
        if (status.st_dev, status.st_ino) != (target.st_dev, target.st_ino):
            return False
        lines = (process / "fdinfo" / fd.name).read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    flags = next((int(line.split()[1], 8) for line in lines if line.startswith("flags:")), 0)
    return flags & os.O_ACCMODE != os.O_RDONLY
