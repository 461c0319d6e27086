"""`--json`: one JSON document on standard output and nothing else there, for scripts."""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from vipa import files

HELP = "print one JSON document on standard output (docs/cli.md); all else goes to standard error"


def add(parser: argparse.ArgumentParser, file: bool = False) -> None:
    """Adds --json, with `file` --json [FILE]. The verb puts what it found into `args.document`, in any case."""
    if file:
        parser.add_argument(
            "--json", nargs="?", const=True, default=False, metavar="FILE", help=f"{HELP}; or write FILE"
        )
    else:
        parser.add_argument("--json", action="store_true", help=HELP)
    parser.set_defaults(document=None)


@contextlib.contextmanager
def standard_output(args: argparse.Namespace) -> Iterator[None]:
    """Keeps standard output for the one document that --json promises.

    With --json, whatever a verb prints in this context, and its child processes, goes to standard error; when the verb is done,
    `args.document` (if it set one) is printed on standard output. With --json FILE the document goes to the file and nothing else
    changes.
    """
    wanted = getattr(args, "json", False)
    if isinstance(wanted, str):  # a FILE
        yield
        if args.document is not None:
            files.write_json(Path(wanted), plain(args.document))
        return
    if not wanted:
        yield
        return
    out = sys.stdout
    with contextlib.ExitStack() as back:
        if out is sys.__stdout__:  # else somebody else's, as a test's capture
            out.flush()
            before = os.dup(1)
            back.callback(os.close, before)
            back.callback(os.dup2, before, 1)
            back.callback(out.flush)
            os.dup2(2, 1)
        back.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield
    if args.document is not None:
        print(json.dumps(plain(args.document), indent=2, ensure_ascii=False, allow_nan=False), file=out, flush=True)


def plain(value):
    """`value` as JSON values: dataclasses become objects, paths texts, and what is not a finite number null."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
