"""Messages of the openpi protocol: msgpack, an array as {b"__ndarray__": True, b"data", b"dtype", b"shape"}."""

import numpy as np

from vipa.serving import arrays
from vipa.serving.arrays import WireError, check_sendable, from_bytes, number_type


def pack(message) -> bytes:
    """Dicts, lists, text, numbers, numpy arrays and numbers as bytes. Raises WireError for anything else."""
    return arrays.pack(message, _encode)


def unpack(data: bytes):
    """The message in `data`; its arrays are read-only views of it. Raises WireError for what is no such message."""
    return arrays.unpack(data, _decode)


def _encode(value):
    if isinstance(value, np.ndarray):
        check_sendable(value)
        # images go uncopied; a view of nothing cannot be cast
        data = memoryview(np.ascontiguousarray(value)).cast("B") if value.size else b""
        return {b"__ndarray__": True, b"data": data, b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic):
        check_sendable(value)
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise arrays.not_sendable(value)


def _decode(value: dict):
    if b"__ndarray__" in value:
        _keys(value, (b"__ndarray__", b"data", b"dtype", b"shape"))
        return from_bytes(value[b"data"], number_type(value[b"dtype"]), value[b"shape"])
    if b"__npgeneric__" in value:
        _keys(value, (b"__npgeneric__", b"data", b"dtype"))
        if not isinstance(value[b"data"], (bool, int, float)):
            raise WireError(f"number is {type(value[b'data']).__name__}; allowed: bool, int, float")
        return number_type(value[b"dtype"]).type(value[b"data"])
    return value


def _keys(value, allowed):
    if set(value) != set(allowed):
        raise WireError(f"array with keys {str(list(value))[:100]}; allowed: {', '.join(k.decode() for k in allowed)}")
