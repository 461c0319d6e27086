"""CUT3R's published weights file, read without running anything that it holds.

The file is a pickle: tensors, and the training's settings as objects of OmegaConf. Only tensors and plain containers are rebuilt;
every other object becomes a ``Husk`` with its contents, out of which the model's description, a line of Python, is read as literals.
"""

from __future__ import annotations

import ast
import math
import pickle
import types
from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor

_REBUILT = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
}
_STORAGES = {
    name: getattr(torch, name)
    for name in ("FloatStorage", "HalfStorage", "BFloat16Storage", "DoubleStorage", "LongStorage", "IntStorage", "BoolStorage")
}  # fmt: skip


class Husk(dict):
    """What is left of an object that is not rebuilt: its state, as a mapping where it was one."""

    def __init__(self, *args, **rest) -> None:
        super().__init__()

    def __setstate__(self, state) -> None:
        self["state"] = state

    def __call__(self, *args, **rest) -> Husk:
        return self

    def append(self, item) -> None:
        """Items of a list that is not rebuilt."""
        self.setdefault("items", []).append(item)

    def extend(self, items) -> None:
        """As ``append``."""
        self.setdefault("items", []).extend(items)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        return _REBUILT.get((module, name), Husk)


_PICKLE = types.SimpleNamespace(
    Unpickler=_Unpickler, load=lambda file, **k: _Unpickler(file, **k).load(), __name__="cut3r"
)


def read_cut3r(path: Path) -> tuple[dict[str, Tensor], dict]:
    """(tensors by name, the keyword arguments of CUT3R's configuration) of a weights file. Raises ValueError for another file."""
    try:
        data = torch.load(path, map_location="cpu", weights_only=False, pickle_module=_PICKLE)
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, TypeError) as error:
        raise ValueError(f"{path}: {str(error)[:200]}; allowed: a weights file of CUT3R") from None
    weights = data.get("model") if isinstance(data, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise ValueError(f"{path} has no mapping 'model' of tensors; allowed: a weights file of CUT3R")
    line = next((t for t in _texts(data.get("args")) if "ARCroco3DStereoConfig(" in t), None)
    if line is None:
        raise ValueError(f"{path} does not say how its model is made (args.model); allowed: a weights file of CUT3R")
    return {k.removeprefix("module."): v for k, v in weights.items()}, described(line)


def described(line: str) -> dict:
    """The keyword arguments in ``ARCroco3DStereo(ARCroco3DStereoConfig(key=value, …))``; values are literals, inf and -inf. Raises
    ValueError for anything else."""
    try:
        outer = ast.parse(line.strip(), mode="eval").body
        inner = outer.args[0]
        return {k.arg: _literal(k.value) for k in inner.keywords}
    except (SyntaxError, AttributeError, IndexError, ValueError) as error:
        raise ValueError(
            f"model is described as {line[:100]!r}: {error}; allowed: keywords with literal values"
        ) from None


def _literal(node: ast.expr):
    if isinstance(node, ast.Name) and node.id == "inf":
        return math.inf
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_literal(node.operand)
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(_literal(n) for n in node.elts)
    return ast.literal_eval(node)


def _texts(value, depth: int = 0):
    """Every text within containers, husks and namespaces."""
    if isinstance(value, str):
        yield value
    elif depth < 12:
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
        for part in parts:
            yield from _texts(part, depth + 1)
