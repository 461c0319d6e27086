"""Which files beside itself an ONNX graph reads its weights from; without the onnx package, which only training needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

# message → its fields (by number, of onnx.proto) that lead to tensors → their messages
_FIELDS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_DEPTH = 64  # graphs in graphs: loops and branches


def external_files(path: Path) -> set[str]:
    """Names of the files that the graph at ``path`` keeps tensors in. Raises ValueError for a file that is no ONNX graph,
    or a name that leads out of its folder."""
    try:
        names = {n.decode() for n in _locations(memoryview(path.read_bytes()), "model", 0)}
    except (IndexError, UnicodeDecodeError):
        raise ValueError(f"{path}: is no whole ONNX graph") from None
    outside = sorted(n for n in names if Path(n).name != n)
    if outside:
        raise ValueError(f"{path} keeps weights in {outside}; allowed: files beside it")
    return names


def _locations(data: memoryview, message: str, depth: int) -> Iterator[bytes]:
    if depth > _DEPTH:
        raise IndexError
    if message == "entry":
        entry = dict(_parts(data))
        if bytes(entry.get(1, b"")) == b"location":
            yield bytes(entry.get(2, b""))
        return
    inner = _FIELDS[message]
    for number, value in _parts(data):
        if number in inner:
            yield from _locations(value, inner[number], depth + 1)


def _parts(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(field number, bytes) of a protobuf message's length-delimited fields. Raises IndexError where it is cut off."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise IndexError
            yield key >> 3, data[at : at + size]
            at += size
        elif kind == 0:
            _, at = _varint(data, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise IndexError


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """(value, place after it)."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise IndexError
