"""What a check found: ok, a warning or an error, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

OK, WARNING, ERROR = "ok", "warning", "error"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. detail: what is. fix: a command line, or what to do."""

    name: str
    level: Literal["ok", "warning", "error"]
    detail: str
    fix: str = ""

    @property
    def ok(self) -> bool:
        """Nothing that keeps a robot from moving."""
        return self.level != ERROR


def judged(name: str, faults: Iterable[str], well: str, fix: str, level: str = ERROR) -> Finding:
    """A finding of `level` that names `faults`, or that all is `well`."""
    found = "; ".join(fault for fault in faults if fault)
    return Finding(name, level if found else OK, found or well, fix if found else "")
