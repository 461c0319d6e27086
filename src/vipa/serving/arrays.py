"""Messages and arrays on a wire: msgpack, numbers only, and exactly as many bytes as their shape needs. Never pickle."""

import math
from collections.abc import Callable

import msgpack
import numpy as np

KINDS = "biuf"  # booleans, integers, floats; no objects, records, strings, complex numbers
MAX_DIMENSIONS = 8
MAX_LENGTH = 4096  # of one list or map: numbers in plenty come as arrays, which are bytes
MAX_ITEMS = 65536  # of all lists and maps of a message: each costs a hundred times the byte it comes as


class WireError(ValueError):
    """A message that cannot be read or must not be: what was wrong and what is allowed, in one line."""


def number_type(name) -> np.dtype:
    """The dtype called `name` ("<f4", "float32"). Raises WireError for one that does not hold plain numbers."""
    try:
        dtype = np.dtype(name)
    except (TypeError, ValueError, SyntaxError):
        raise WireError(f"array of type {str(name)[:40]!r}; allowed: booleans, integers and floats") from None
    if dtype.kind not in KINDS or dtype.shape:
        raise WireError(f"array of type '{dtype}'; allowed: booleans, integers and floats")
    return dtype


def from_bytes(data, dtype: np.dtype, shape) -> np.ndarray:
    """A read-only array over `data`, uncopied. Raises WireError if shape and number of bytes do not agree."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise WireError(f"array data is {type(data).__name__}; allowed: bytes")
    sizes = isinstance(shape, (list, tuple)) and all(
        isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in shape
    )
    if not sizes or len(shape) > MAX_DIMENSIONS:
        raise WireError(f"array of shape {str(shape)[:60]}; allowed: up to {MAX_DIMENSIONS} sizes, none negative")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise WireError(f"array of shape {tuple(shape)} and type '{dtype}' with {len(data)} bytes of data")
    return np.frombuffer(data, dtype).reshape(shape) if len(data) else np.zeros(shape, dtype)


def check_sendable(array) -> None:
    """Raises WireError for an array or number that is not made of plain numbers."""
    number_type(array.dtype)


def pack(message, encode: Callable) -> bytes:
    """Dicts, lists, text, numbers, and what `encode` makes such of, as msgpack. Raises WireError for anything else."""
    try:
        return msgpack.packb(message, default=encode)
    except (TypeError, OverflowError) as error:
        raise WireError(f"cannot be sent: {error}") from None


def unpack(data: bytes, decode: Callable[[dict], object]):
    """The msgpack message in `data`, each of its dicts as `decode` makes it. Raises WireError for what is no such message, or
    one of more than MAX_ITEMS items: whatever it holds, it takes little more memory than `data`."""
    left = MAX_ITEMS

    def count(items):
        nonlocal left
        left -= 1 + len(items)
        if left < 0:
            raise WireError(f"message of more than {MAX_ITEMS} items; allowed: numbers in plenty as arrays")
        return items

    try:
        return msgpack.unpackb(
            data,
            object_hook=lambda found: decode(count(found)),
            list_hook=count,
            ext_hook=_no_extension,
            max_array_len=MAX_LENGTH,
            max_map_len=MAX_LENGTH,
        )
    except WireError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise WireError(
            f"not a msgpack message: {' '.join(str(error).split())[:200] or type(error).__name__}"
        ) from None


def not_sendable(value) -> WireError:
    """The error for a `value` that no message may hold."""
    return WireError(f"cannot be sent: {type(value).__name__}; allowed: dicts, lists, text, numbers, numpy arrays")


def _no_extension(code, data):
    raise WireError(f"msgpack extension {code}; allowed: none")
