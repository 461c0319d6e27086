"""Pickles that datasets are published as, read without running what is in them: containers, numbers, NumPy arrays and torch tensors."""

import collections
import importlib
import io
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vipa.errors import VipaError

_NUMPY = {"multiarray": ("_reconstruct", "scalar"), "numeric": ("_frombuffer",)}
_CORE = "numpy._core" if hasattr(np, "_core") else "numpy.core"  # before NumPy 2


def load(path: Path) -> Any:
    """What the pickle `path` holds, tensors as arrays. Raises VipaError, also for a pickle that wants anything else, or tensors without torch."""
    try:
        with Path(path).open("rb") as file:
            return _Reader(file, path).load()
    except OSError as error:
        raise VipaError(f"{path}: {error.strerror}") from None


def load_npy(path: Path) -> Any:
    """What `numpy.save` wrote to `path`: an array, or the one object that was pickled into it. Raises VipaError as `load` does."""
    try:
        with Path(path).open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            if dtype.hasobject:
                if shape != ():
                    raise VipaError(f"{path}: objects of shape {shape}; allowed: one object, or numbers")
                return _Reader(file, path).load().item()
            file.seek(0)
            return np.load(file, allow_pickle=False)
    except OSError as error:
        raise VipaError(f"{path}: {error.strerror or error}") from None
    except (ValueError, AttributeError) as error:
        raise VipaError(f"{path}: no array of NumPy's: {error}") from None


class _Reader(pickle.Unpickler):
    """An unpickler that makes nothing but data."""

    def __init__(self, file: BinaryIO, path: Path):
        super().__init__(file, encoding="latin1")  # as Python 2 wrote some
        self.path = path

    def load(self) -> Any:
        """Raises VipaError for whatever is wrong."""
        try:
            return super().load()
        except VipaError:
            raise
        except Exception as error:  # noqa: BLE001  a damaged pickle raises anything
            raise VipaError(f"{self.path}: no pickle that can be read: {str(error) or type(error).__name__}") from None

    def find_class(self, module: str, name: str) -> Any:
        """The few functions that data is made of. Raises VipaError for others."""
        place, _, room = module.rpartition(".")
        if place in ("numpy.core", "numpy._core") and name in _NUMPY.get(room, ()):
            return getattr(importlib.import_module(f"{_CORE}.{room}"), name)
        known = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("_codecs", "encode"): _encode,
            ("torch._utils", "_rebuild_tensor_v2"): _array,
            ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
            ("torch.storage", "_load_from_bytes"): self._storage,
        }
        if (module, name) not in known:
            raise VipaError(f"{self.path}: the pickle wants {module}.{name}; allowed: plain data, arrays and tensors")
        return known[module, name]

    def _storage(self, data: bytes) -> Any:
        try:
            import torch
        except ImportError:
            raise VipaError(f"{self.path}: tensors, and torch is not there; install it: pip install torch") from None
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _array(*parts: Any) -> np.ndarray:
    """A tensor's parts as an array of its own."""
    import torch

    return torch._utils._rebuild_tensor_v2(*parts).detach().cpu().numpy()


def _encode(text: str, encoding: str) -> bytes:
    """How bytes are pickled by old protocols."""
    if encoding != "latin1":
        raise VipaError(f"a pickle with text of encoding {encoding!r}; allowed: latin1")
    return text.encode("latin1")
