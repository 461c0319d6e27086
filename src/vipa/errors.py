"""Errors that people read: one clear line."""


class VipaError(Exception):
    """What was wrong, where it was found, and what is allowed, in one line."""


def unknown(kind: str, value: object, allowed) -> VipaError:
    """`VipaError` for a value that is not one of `allowed`, which it lists."""
    return VipaError(f"unknown {kind} '{value}'; allowed: {', '.join(sorted(map(str, allowed)))}")


class NoChunk(Exception):
    """Why a commander that should send a chunk cannot, in one line. The robot finishes what it has and holds."""
