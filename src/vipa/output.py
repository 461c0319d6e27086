"""What a program says never ends it: a locale without the letters, a terminal that has closed, a full disk behind a pipe."""

import io
import os
import sys


def settle() -> None:
    """Standard output and error write `?` for what their encoding lacks, and drop what nobody can take any more."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or stream is not getattr(sys, f"__{name}__"):  # somebody else's, as a test's capture
            continue
        stream.flush()
        buffered = io.BufferedWriter(_Careful(stream.fileno(), "w", closefd=False))
        line_buffered = name == "stderr" or stream.isatty() or bool(os.environ.get("PYTHONUNBUFFERED"))
        careful = io.TextIOWrapper(buffered, stream.encoding, "replace", line_buffering=line_buffered)
        setattr(sys, name, careful)
        setattr(sys, f"__{name}__", careful)


class _Careful(io.FileIO):
    """A file whose writer goes on when it cannot be written any more."""

    def write(self, data) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)
