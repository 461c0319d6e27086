"""What `vipa dataset edit` is told in words: episode numbers, parts, spans, names."""

import math
from collections.abc import Iterable
from typing import Any

from vipa.errors import VipaError

MOST = 1_000_000  # episodes or frames that a range may name


def numbers(words: Iterable[str], count: int) -> list[int]:
    """Episode numbers from words: `4`, `2:5` (2, 3, 4), `7:` (to the last), `:3`. count: how many there are; a number beyond is left to
    be refused. Raises VipaError for a word of another form."""
    found: list[int] = []
    for word in words:
        first, colon, end = word.partition(":")
        if not all(part.isdecimal() for part in ([first, end] if colon else [first]) if part or not colon):
            raise VipaError(f"episodes {word!r}; allowed: a number, or a range as 2:5, 7: or :3")
        if not colon:
            found.append(int(first))
        else:
            start, stop = int(first or 0), min(int(end), MOST) if end else count
            if start >= stop:
                raise VipaError(f"episodes {word!r}: is empty; allowed: a range as 2:5, of 0:{count}")
            found += range(start, stop)
    return found


def parts_of(words: Iterable[str]) -> dict[str, Any]:
    """Parts of a split from words: `train=0.8` a share, `held_out=40:50,3` episode numbers. Raises VipaError."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, what = word.partition("=")
        if not equals or not name or not what or name in found:
            raise VipaError(f"part {word!r}; allowed: NAME=SHARE or NAME=EPISODES, each name once")
        found[name] = _share_of(what)
    if len({type(value) for value in found.values()}) > 1:
        raise VipaError("shares and episode numbers; allowed: one of both for all parts")
    return found


def _share_of(word: str) -> float | list[str]:
    try:
        value = float(word) if "." in word else None
    except ValueError:
        value = None
    if value is not None and math.isfinite(value):
        return value
    return word.split(",")


def spans_of(words: Iterable[str]) -> dict[int, tuple[int, int | None]]:
    """Frames to keep from words: `3=10:120`, `4=:90`, `5=12:`. Raises VipaError."""
    found: dict[int, tuple[int, int | None]] = {}
    for word in words:
        episode, equals, span = word.partition("=")
        first, colon, end = span.partition(":")
        good = equals and colon and episode.isdecimal() and all(p.isdecimal() for p in (first, end) if p)
        if not good or int(episode) in found:
            raise VipaError(
                f"span {word!r}; allowed: EPISODE=FIRST:END, as 3=10:120, 4=:90 or 5=12:, each episode once"
            )
        found[int(episode)] = int(first or 0), int(end) if end else None
    return found


def renamed(words: Iterable[str]) -> dict[str, str]:
    """Names from words `old=new`. Raises VipaError."""
    pairs = [word.partition("=") for word in words]
    if wrong := ["".join(p) for p in pairs if not all(p)]:
        raise VipaError(f"sub-task {wrong[0]!r}; allowed: OLD=NEW")
    return {old: new for old, _, new in pairs}
