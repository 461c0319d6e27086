"""Errors that are the user's to mend: one clear line, exit status 2."""


class VipaError(Exception):
    """What was wrong, where it was found, and what is allowed, in one line."""


def unknown(kind: str, value: object, allowed) -> VipaError:
    """`VipaError` for a value that is not one of `allowed`, which it lists."""
    return VipaError(f"unknown {kind} '{value}'; allowed: {', '.join(sorted(map(str, allowed)))}")
