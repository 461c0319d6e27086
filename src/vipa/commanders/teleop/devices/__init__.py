"""Teleoperation devices by name: a module each, with a dataclass `Options` and `make(options) -> Device`."""

import importlib
import pkgutil
from dataclasses import fields
from types import ModuleType
from typing import Literal

from vipa import config
from vipa.commanders.teleop.device import Device
from vipa.commanders.teleop.devices import _pedal
from vipa.commanders.teleop.held import Held
from vipa.errors import VipaError, unknown


def names() -> list[str]:
    """The devices there are, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def module(name: str) -> ModuleType:
    """The module of the device `name`. Raises VipaError if there is none."""
    if name not in (found := names()):
        raise unknown("device", name, found)
    return importlib.import_module(f"{__name__}.{name}")


def make(name: str, options: str = "", pedal: str = "") -> Device:
    """The device `name`, not open yet. options: "key=value,…" of its Options. pedal: likewise of a foot pedal that must be held, or its
    path alone; "": none. Raises VipaError."""
    found = module(name)
    device = found.make(_options(found.Options, options, f"device {name}"))
    if not pedal:
        return device
    wanted = _options(_pedal.Options, pedal if "=" in pedal else f"path={pedal}", "pedal")
    return Held(device, _pedal.make(wanted))


def _options(cls: type, text: str, where: str):
    return config.build(_values(text, cls, where), cls, where)


def _values(text: str, cls: type, where: str) -> dict:
    """The options in `text` as the types that `cls` wants."""
    kinds = {f.name: getattr(f.type, "__origin__", f.type) for f in fields(cls)}
    kinds = {name: str if kind is Literal else kind for name, kind in kinds.items()}
    values = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or key not in kinds:
            raise VipaError(f"{where}: option '{part}'; allowed: {', '.join(f'{k}=…' for k in kinds) or 'none'}")
        try:
            values[key] = value == "true" if kinds[key] is bool else kinds[key](value)
        except ValueError:
            raise VipaError(f"{where}: {key}={value}; allowed: {kinds[key].__name__}") from None
    return values
