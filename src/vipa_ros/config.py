"""YAML into frozen dataclasses, strictly: unknown, missing and ill-typed keys are refused with their place."""

import dataclasses
import types
import typing
from pathlib import Path

import yaml

from vipa_ros.errors import VipaError


def load(path: Path, cls: type):
    """The YAML file `path` as an instance of the dataclass `cls`.

    Raises VipaError naming the file, the key and what is allowed.
    """
    try:
        data = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise VipaError(f"{path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise VipaError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    return build(data, cls, str(path))


def build(data, cls, where: str):
    """`data` (what safe_load returns) as `cls`: a dataclass, list[T], tuple[T, ...], dict[str, T], T | None or a scalar.

    `where` names the place in messages. A dataclass may check itself in `__post_init__` by raising ValueError.
    """
    origin, args = typing.get_origin(cls), typing.get_args(cls)
    if origin in (types.UnionType, typing.Union):
        if data is None and type(None) in args:
            return None
        return build(data, next(a for a in args if a is not type(None)), where)
    if origin in (list, tuple):
        if not isinstance(data, list):
            raise VipaError(f"{where}: expected a list, got {data!r}")
        return origin(build(item, args[0], f"{where}[{i}]") for i, item in enumerate(data))
    if origin is dict:
        if not isinstance(data, dict):
            raise VipaError(f"{where}: expected a mapping, got {data!r}")
        return {str(k): build(v, args[1], f"{where}.{k}") for k, v in data.items()}
    if dataclasses.is_dataclass(cls):
        return _build_dataclass(data, cls, where)
    if origin is typing.Literal:
        if data not in args:
            raise VipaError(f"{where}: {data!r} is not allowed; allowed: {', '.join(map(str, args))}")
        return data
    if cls is typing.Any or cls is object:
        return data
    if cls is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, cls) or (cls is int and isinstance(data, bool)):
        raise VipaError(f"{where}: expected {cls.__name__}, got {data!r}")
    return data


def _build_dataclass(data, cls, where):
    if not isinstance(data, dict):
        raise VipaError(f"{where}: expected a mapping, got {data!r}")
    hints = typing.get_type_hints(cls)
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
