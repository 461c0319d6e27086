"""JSON lines read where they lie: of a file only the places of its records are kept in memory."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np


class JsonLines:
    """The records of one or more files, a JSON object a line, UTF-8; lines end with a line feed and nothing else.

    ``lines[i]`` is (record, file). Eight bytes a record are kept, and as many for its file.
    """

    def __init__(self, files: Sequence[Path], keep: Callable[[dict], bool]) -> None:
        """Read every line once. keep(record): whether it is a record of interest; it raises ValueError, KeyError or TypeError
        for what is none. Raises ValueError with file, line and that reason, or for a file without a record."""
        self.files, starts, numbers = [Path(f) for f in files], array("q"), array("q")
        for number, file in enumerate(self.files):
            place, found = 0, False
            with file.open("rb") as lines:
                for count, line in enumerate(lines, 1):
                    if not line.isspace():
                        found = True
                        if _kept(line, keep, file, count):
                            starts.append(place)
                            numbers.append(number)
                    place += len(line)
            if not found:
                raise ValueError(f"{file} has no records; allowed: at least one JSON object")
        self._starts, self._numbers = np.frombuffer(starts, np.int64), np.frombuffer(numbers, np.int64)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, i: int) -> tuple[dict, Path]:
        file = self.files[self._numbers[i]]
        with file.open("rb") as lines:
            lines.seek(self._starts[i])
            return json.loads(lines.readline()), file

    def place(self, i: int) -> str:
        """FILE:LINE of record ``i``, to name it in an error; reads the file up to there."""
        file = self.files[self._numbers[i]]
        with file.open("rb") as lines:
            count = sum(1 for _ in _until(lines, int(self._starts[i])))
        return f"{file}:{count + 1}"


def _until(lines, stop: int):
    while lines.tell() < stop:
        yield lines.readline()


def _kept(line: bytes, keep: Callable[[dict], bool], file: Path, number: int) -> bool:
    try:
        record = json.loads(line)
        if not isinstance(record, dict):
            raise ValueError(f"is a {type(record).__name__}; allowed: a JSON object")
        return keep(record)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{file}:{number}: {error}") from error
