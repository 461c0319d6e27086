"""Errors that people read: one clear line."""

import difflib
from collections.abc import Iterable


class VipaError(Exception):
    """What was wrong, where it was found, and what is allowed, in one line."""


def unknown(kind: str, value: object, allowed) -> VipaError:
    """`VipaError` for a value that is not one of `allowed`, which it lists; the one that is most like it first."""
    names = sorted(map(str, allowed))
    return VipaError(f"unknown {kind} '{value}'{meant(str(value), names)}; allowed: {', '.join(names)}")


def meant(given: str, names: Iterable[str]) -> str:
    """ " (did you mean …?)" of the name that is like what was `given`; "" if none is."""
    like = difflib.get_close_matches(given, list(names), 1, 0.76)
    return f" (did you mean '{like[0]}'?)" if like else ""


class NoChunk(Exception):
    """Why a commander that should send a chunk cannot, in one line. The robot finishes what it has and holds."""
