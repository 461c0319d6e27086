"""Files and folders that are whole or absent: written beside their place, and renamed into it; and who may write alone."""

import ctypes
import errno
import fcntl
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from vipa.errors import VipaError


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `path`; whoever reads it sees all of `data` or what was there before. Raises VipaError, disk_error's."""
    path = Path(path)
    try:
        _write_bytes(path, data)
    except OSError as error:
        raise disk_error(path, error) from None


def _write_bytes(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp gives 0600, and a run folder is there to be read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def check_place(path: Path) -> None:
    """Makes the folder of the file `path`, which long work will write: what is wrong with the place is said before the work.
    Raises VipaError."""
    path = Path(path)
    if path.is_dir():
        raise VipaError(f"{path}: is a folder; allowed: the name of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise VipaError(
            f"{path}: {path.parent}: {error.strerror}; allowed: a file in a folder that can be written"
        ) from None


def write_json(path: Path, data) -> None:
    """Writes `data` as indented JSON. Raises ValueError for a number that is not finite."""
    write_bytes(path, (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_yaml(path: Path, data) -> None:
    """Writes `data` (dicts, lists, scalars) as YAML."""
    write_bytes(path, yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode())


def point_link(link: Path, target: Path) -> None:
    """Points the symbolic link `link` at `target`, relative to the link's folder, in one step."""
    link = Path(link)
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.relpath(target, link.parent))
    os.replace(temporary, link)


def disk_error(path: Path, error: OSError) -> VipaError:
    """`error`, met in writing `path`, in one line that names the path, and the disk that it is on with its free space."""
    return VipaError(f"{path}: {error.strerror or error} ({disk_words(path)})")


def disk_words(path: Path) -> str:
    """The disk that `path` is, or will be, on, with its free space."""
    place = disk_of(path)
    try:
        return f"disk {place}: {megabytes(shutil.disk_usage(place).free)} free"
    except OSError as error:
        return f"disk {place}: {error.strerror}"


def free_bytes(path: Path) -> int:
    """Of the disk that `path` is, or will be, on. Raises VipaError."""
    try:
        return shutil.disk_usage(disk_of(path)).free
    except OSError as error:
        raise disk_error(path, error) from None


def disk_of(path: Path) -> Path:
    """Where the file system that `path` is on, or will be, is mounted."""
    place = Path(path).resolve()
    while not place.is_mount() and place != place.parent:
        place = place.parent
    return place


def megabytes(count: float) -> str:
    """Bytes in words."""
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file `path`, which stays where it is: other processes and threads wait. Ends with its holder."""
    with open(path, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def new_folder(path: Path, replace: bool = False) -> Iterator[Path]:
    """A folder beside `path` that takes its place when the block ends; an error or a kill leaves what was there before.

    replace: `path` may be there; it is exchanged in one step and what it was is removed. What killed calls have left is removed.
    Raises VipaError if `path` is there and not empty, or the disk takes no more (disk_error's).
    """
    path = Path(path)
    if not replace and path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise VipaError(f"{path}: is there already; allowed: the name of a new folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.new-"))
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
        folder.chmod(0o755)  # mkdtemp gives 0700
        if replace and path.exists():
            os.sync()  # what was there is removed: what comes must be on the disk
            _exchange(folder, path)
        else:
            os.rename(folder, path)
    except OSError as error:
        raise disk_error(path, error) from None
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(path: Path) -> None:
    """Removes folders that killed calls of `new_folder` have left."""
    for name in path.parent.glob(f".{glob.escape(path.name)}.new-*"):
        try:
            lock = os.open(name, os.O_RDONLY)
        except FileNotFoundError:
            continue  # has just taken its place
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(name, ignore_errors=True)
        except BlockingIOError:
            pass  # is being written
        finally:
            os.close(lock)


def _exchange(a: Path, b: Path) -> None:
    """Gives each of two folders the other's name: in one step where the file system can (renameat2), else in three."""
    at_cwd, exchange = -100, 2
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        if libc.renameat2(at_cwd, os.fsencode(a), at_cwd, os.fsencode(b), exchange) == 0:
            return
        if (number := ctypes.get_errno()) not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(number, os.strerror(number), str(b))
    aside = b.with_name(f".{b.name}.old-{os.getpid()}")
    os.rename(b, aside)
    os.rename(a, b)
    os.rename(aside, a)
