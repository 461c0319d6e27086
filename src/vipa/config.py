"""YAML into frozen dataclasses, strictly: unknown, missing and ill-typed keys and numbers out of range are refused with
their place.

Every float is finite. A field says more by its annotation: `Annotated[float, Range(above=0, high=500)]` for a number,
`Name` for a text that becomes part of a path or a topic.
"""

import dataclasses
import hashlib
import json
import math
import re
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vipa import documents
from vipa.errors import VipaError


def _plain(value: float) -> str:
    """A bound for people: whole numbers with all their digits."""
    return str(value) if isinstance(value, int) else f"{value:g}"


@dataclass(frozen=True)
class Range:
    """What a number may be: from `low` to `high`, both allowed, and greater than `above`."""

    low: float = -1e9  # no metre, second or newton of ours is greater
    high: float = 1e9
    above: float = -math.inf

    def check(self, value: float, where: str) -> None:
        """Raises VipaError unless `value` is finite and in the range; NaN is in none."""
        if not (self.low <= value <= self.high and value > self.above):
            raise VipaError(f"{where}: {_short(value)}; allowed: {self}")

    def __str__(self) -> str:
        if self.above >= self.low:
            return f"above {_plain(self.above)}, to {_plain(self.high)}"
        return f"{_plain(self.low)} to {_plain(self.high)}"


@dataclass(frozen=True)
class Match:
    """What a text may be: all of it matches `pattern`, which `words` tell."""

    pattern: str
    words: str

    def check(self, value: str, where: str) -> None:
        """Raises VipaError unless all of `value` matches."""
        if not re.fullmatch(self.pattern, value):
            raise VipaError(f"{where}: {value[:80]!r}; allowed: {self.words}")


FINITE = Range()
Name = Annotated[
    str, Match(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", "letters, digits, '_', '-' and '.', the first a letter or digit")
]
Token = Annotated[
    str, Match(r"[A-Za-z][A-Za-z0-9_]{0,99}", "letters, digits and '_', the first a letter")
]  # part of a topic


def load(path: Path, cls: type):
    """The YAML file `path` as an instance of the dataclass `cls`.

    Raises VipaError naming the file, the key and what is allowed.
    """
    return build(documents.read_yaml(path, finite=False), cls, str(path))


def fingerprint(value) -> str:
    """SHA-256 of the dataclass `value`, over all of its keys: two files that say the same have the same."""
    return hashlib.sha256(json.dumps(dataclasses.asdict(value), sort_keys=True).encode()).hexdigest()


def pinned(name: str, value) -> str:
    """`name` of a file with the fingerprint of what was read from it, for processes that shall read the same."""
    return f"{name}#{fingerprint(value)}"


def unpinned(name: str) -> tuple[str, str]:
    """The bare name and the fingerprint in `name`, "" if it is not pinned."""
    found = re.fullmatch(r"(.+)#([0-9a-f]{64})", name)
    return (found[1], found[2]) if found else (name, "")


def expect(value, sha256: str, path: Path) -> None:
    """Raises VipaError if the fingerprint `sha256` ("": any) is not that of `value`, which was read from `path`."""
    if sha256 not in ("", fingerprint(value)):
        raise VipaError(f"{path}: is not what was read when this was asked for: it has changed since, or there are two")


def build(data, cls, where: str):
    """`data` (plain values) as `cls`: a dataclass, list[T], tuple[T, ...], dict[str, T], T | None, a scalar, or a scalar
    annotated with what it may be.

    `where` names the place in messages. A dataclass may check itself in `__post_init__` by raising ValueError.
    """
    origin, args = typing.get_origin(cls), typing.get_args(cls)
    if origin is Annotated:
        base, *allowed = args
        value = _as(data, base, where)
        for one in allowed:
            one.check(value, where)
        return float(value) if base is float else value
    if origin in (types.UnionType, typing.Union):
        if data is None and type(None) in args:
            return None
        return build(data, next(a for a in args if a is not type(None)), where)
    if origin in (list, tuple):
        if not isinstance(data, list):
            raise VipaError(f"{where}: expected a list, got {_short(data)}")
        return origin(build(item, args[0], f"{where}[{i}]") for i, item in enumerate(data))
    if origin is dict:
        if not isinstance(data, dict):
            raise VipaError(f"{where}: expected a mapping, got {_short(data)}")
        return {str(k): build(v, args[1], f"{where}: {k}") for k, v in data.items()}
    if dataclasses.is_dataclass(cls):
        return _build_dataclass(data, cls, where)
    if origin is typing.Literal:
        if data not in args:
            raise VipaError(f"{where}: {_short(data)} is not allowed; allowed: {', '.join(map(str, args))}")
        return data
    if cls is typing.Any or cls is object:
        _check_numbers(data, where)
        return data
    value = _as(data, cls, where)
    if cls is float:
        FINITE.check(value, where)
        return float(value)
    return value


def _as(data, cls, where):
    """`data` as it is, if it is a `cls`; an integer may stand for a float."""
    allowed = (int, float) if cls is float else cls
    if not isinstance(data, allowed) or (cls in (int, float) and isinstance(data, bool)):
        raise VipaError(f"{where}: expected {cls.__name__}, got {_short(data)}")
    return data


def _check_numbers(data, where) -> None:
    """The finite range of every number in `data`, whose form is its reader's affair."""
    if isinstance(data, dict):
        for key, value in data.items():
            _check_numbers(value, f"{where}: {key}")
    elif isinstance(data, (list, tuple)):
        for i, value in enumerate(data):
            _check_numbers(value, f"{where}[{i}]")
    elif isinstance(data, (int, float)):
        FINITE.check(data, where)


def _short(value) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= 80 else text[:77] + "..."


def _build_dataclass(data, cls, where):
    if not isinstance(data, dict):
        raise VipaError(f"{where}: expected a mapping, got {_short(data)}")
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    extra = [str(k) for k in data if k not in fields]
    if extra:
        raise VipaError(f"{where}: unknown key(s) {', '.join(extra)}; allowed: {', '.join(fields)}")
    required = [
        n
        for n, f in fields.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and n not in data
    ]
    if required:
        raise VipaError(f"{where}: missing key(s) {', '.join(required)}")
    values = {key: build(value, hints[key], f"{where}: {key}") for key, value in data.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise VipaError(f"{where}: {error}") from None
