"""Files that are whole or absent: written beside their place, synced, and renamed into it; and who may write alone."""

import fcntl
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
