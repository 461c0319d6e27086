"""Dataclasses from JSON, with every key, type and number looked at."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from pathlib import Path


def read_json(path: Path) -> dict:
    """The JSON object in ``path``. Raises FileNotFoundError, or ValueError naming the file for anything else."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}; allowed: JSON in UTF-8") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path}: is a {type(data).__name__}; allowed: a JSON object")
    return data


def build(cls: type, data: dict, where: str):
    """Make dataclass ``cls`` from a mapping. An unknown key, a value of another type, a number that is not finite or an
    integer below 0 raises ValueError naming it and what is allowed."""
    if not isinstance(data, dict):
        raise ValueError(f"{where} is a {type(data).__name__}; allowed: a mapping of keys to values")
    allowed = [f.name for f in dataclasses.fields(cls)]
    unknown = sorted(set(data) - set(allowed))
    if unknown:
        raise ValueError(f"Unknown key(s) {unknown} in {where}. Allowed: {allowed}")
    kinds = typing.get_type_hints(cls)
    for key, value in data.items():
        if not _is(value, kinds[key]):
            kind = kinds[key] if isinstance(kinds[key], types.GenericAlias) else kinds[key].__name__
            raise ValueError(
                f"{where}.{key} is {str(value)[:60]!r}; allowed: {kind}, integers from 0 on, finite numbers"
            )
    return cls(**data)


def _is(value, kind) -> bool:
    """Whether a value is of a type such as int, float (finite), bool, str, list[float], dict or a dataclass."""
    if isinstance(kind, types.GenericAlias):
        (inner, *_), outer = typing.get_args(kind), typing.get_origin(kind)
        return isinstance(value, outer) and (outer is not list or all(_is(v, inner) for v in value))
    if kind in (int, float) and isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, kind) and (kind is not int or value >= 0)


def above_zero(name: str, config) -> None:
    """Raises ValueError unless the number at the dotted ``name`` of ``config`` is above 0."""
    if not at(config, name) > 0:
        raise ValueError(f"{name} is {at(config, name)}; allowed: above 0")


def at(config, name: str):
    """What stands at the dotted ``name``."""
    for part in name.split("."):
        config = getattr(config, part)
    return config


def one_of(name: str, value, allowed: tuple) -> None:
    """Raises ValueError unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; allowed: {', '.join(map(repr, allowed))}")
