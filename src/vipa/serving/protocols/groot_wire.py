"""Messages of the GR00T protocol: msgpack, an array as {"__ndarray_class__": True, "as_npy": bytes of an .npy file}."""

import io

import numpy as np
from numpy.lib import format as npy

from vipa.serving import arrays
from vipa.serving.arrays import WireError, check_sendable, from_bytes, number_type


def pack(message) -> bytes:
    """Dicts, lists, text, numbers and numpy arrays as bytes. Raises WireError for anything else."""
    return arrays.pack(message, _encode)


def unpack(data: bytes):
    """The message in `data`. A modality configuration comes as plain values. Raises WireError for no such message."""
    return arrays.unpack(data, _decode)


def _encode(value):
    if isinstance(value, np.ndarray):
        check_sendable(value)
        file = io.BytesIO()
        np.save(file, value, allow_pickle=False)
        return {"__ndarray_class__": True, "as_npy": file.getvalue()}
    raise arrays.not_sendable(value)


def _decode(value: dict):
    if "__ndarray_class__" in value:
        return _array(value.get("as_npy"))
    if "__ModalityConfig_class__" in value:
        return value.get("as_json", value.get("as_dict"))  # two names in its history
    return value


def _array(data) -> np.ndarray:
    """Not np.load: that allocates what the header claims before it looks at how much data there is."""
    if not isinstance(data, bytes):
        raise WireError(f"array data is {type(data).__name__}; allowed: bytes of an .npy file")
    file = io.BytesIO(data)
    try:
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, by_columns, dtype = read(file)
    except (ValueError, KeyError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise WireError(f"array is no .npy file: {' '.join(str(error).split())[:120]}") from None
    flat = from_bytes(data[file.tell() :], number_type(dtype), shape[::-1] if by_columns else shape)
    return flat.T if by_columns else flat
