"""Modules that a file names: the scene and the expert's script of a task are found by their module's name alone."""

import importlib
import pkgutil
from types import ModuleType

from vipa.errors import unknown


def find(package: str, name: str, has: str, what: str) -> ModuleType:
    """The module `name` of `package`, which has an attribute `has`.

    Args:
        package: dotted name of the package that holds the modules.
        name: as in the file; no dots.
        has: attribute that tells such a module from helpers beside it.
        what: what the module is, for the message.

    Raises:
        VipaError: there is none; it lists those that exist.
    """
    if name in _names(package) and hasattr(module := importlib.import_module(f"{package}.{name}"), has):
        return module
    found = [n for n in _names(package) if hasattr(importlib.import_module(f"{package}.{n}"), has)]
    raise unknown(what, name, found)


def _names(package: str) -> list[str]:
    return [
        m.name for m in pkgutil.iter_modules(importlib.import_module(package).__path__) if not m.name.startswith("_")
    ]
