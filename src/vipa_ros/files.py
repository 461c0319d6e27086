"""Files that are whole or absent: written beside their place, synced, and renamed into it; and who may write alone."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `path`; whoever reads it sees all of `data` or what was there before."""
    path = Path(path)
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


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file `path`, which stays where it is: other processes and threads wait. Ends with its holder."""
    with open(path, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
