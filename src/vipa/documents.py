"""Text, YAML and JSON files into plain data: UTF-8, no key twice, no number that is not finite, bounded depth and size.

Every YAML or JSON file that a person may have written is read here. What is wrong is a VipaError of one line.
"""

import json
import math
from pathlib import Path
from typing import Any

import yaml

from vipa.errors import VipaError

MAX_DEPTH = 64  # levels of lists and mappings
MAX_VALUES = 1_000_000  # values in all, aliases counted as often as they are used
_PLAIN = (str, bool, int, type(None))


def read_text(path: Path) -> str:
    """The text of the UTF-8 file `path`, without a byte-order mark. Raises VipaError."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise VipaError(f"{path}: {error.strerror}") from None
    return decode(data, str(path))


def read_lines(path: Path) -> list[str]:
    """The lines of the UTF-8 file `path`, to which others are added one by one: they end at line feeds alone (JSON may hold U+2028 and the
    like), and what stands after the last one, which a kill has left, is none. Raises VipaError."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise VipaError(f"{path}: {error.strerror}") from None
    return decode(data[: data.rfind(b"\n") + 1], str(path)).split("\n")[:-1]


def decode(data: bytes, where: str) -> str:
    """`data` as text, which must be UTF-8. Raises VipaError that names `where` and the line."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else f"byte 0x{data[error.start]:02x} in line {line}"
        raise VipaError(f"{where}: not UTF-8 ({found}); allowed: text in UTF-8") from None


def read_yaml(path: Path, finite: bool = True) -> Any:
    """What the YAML file `path` holds. finite: False if the caller checks the numbers' ranges. Raises VipaError."""
    return parse_yaml(read_text(path), str(path), finite)


def read_json(path: Path) -> Any:
    """What the JSON file `path` holds. Raises VipaError."""
    return parse_json(read_text(path), str(path))


def parse_yaml(text: str, where: str, finite: bool = True) -> Any:
    """What the YAML `text` holds: dicts, lists, str, int, float, bool and None. Raises VipaError that names `where`."""
    try:
        data = yaml.load(text, _Loader)  # noqa: S506  a SafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number of thousands of digits, a date that is none
        raise VipaError(f"{where}: not YAML: {_line(error)}") from None
    check(data, where, finite)
    return data


def parse_json(text: str | bytes, where: str) -> Any:
    """What the JSON `text` holds. Raises VipaError that names `where`."""
    text = decode(text, where) if isinstance(text, bytes) else text
    try:
        data = json.loads(text, object_pairs_hook=_distinct)
    except RecursionError:
        raise VipaError(f"{where}: not JSON: nested too deep; allowed: {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise VipaError(f"{where}: not JSON: {_line(error)}") from None
    check(data, where)
    return data


def check(data: Any, where: str, finite: bool = True) -> None:
    """Raises VipaError unless `data` holds plain values alone, within MAX_DEPTH and MAX_VALUES. finite: numbers must be so."""
    left = MAX_VALUES
    stack = [(data, where, 0)]
    while stack:
        value, place, depth = stack.pop()
        left -= 1
        if depth > MAX_DEPTH or left < 0:
            raise VipaError(f"{where}: too deep or too much; allowed: {MAX_DEPTH} levels, {MAX_VALUES} values")
        if isinstance(value, dict):
            stack += [(item, f"{place}: {key}", depth + 1) for key, item in value.items()]
        elif isinstance(value, list):
            stack += [(item, f"{place}[{i}]", depth + 1) for i, item in enumerate(value)]
        elif isinstance(value, float):
            if finite and not math.isfinite(value):
                raise VipaError(f"{place}: {value}; allowed: a finite number")
        elif not isinstance(value, _PLAIN):
            raise VipaError(
                f"{place}: {value!r} is a {type(value).__name__}; allowed: texts, numbers, true, false, lists, mappings"
            )


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key that stands twice and what is nested deeper than MAX_DEPTH."""

    depth = 0

    def compose_node(self, parent, index):
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, f"nested too deep; allowed: {MAX_DEPTH} levels", mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node, deep=False):
        keys = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key_node, yaml.ScalarNode) and key_node.tag != "tag:yaml.org,2002:merge":
                key = self.construct_object(key_node)
                if key in keys:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key '{key}' stands twice", key_node.start_mark
                    )
                keys.add(key)
        return super().construct_mapping(node, deep)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key '{next(k for k in keys if keys.count(k) > 1)}' stands twice")
    return found


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:400]
