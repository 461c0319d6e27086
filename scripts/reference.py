"""Writes docs/reference/ from the code: command line, node parameters, keys of YAML files. A test holds the pages to it.

python scripts/reference.py
"""

import argparse
import ast
import dataclasses
import re
import typing
from pathlib import Path

from vipa.calibration.board import Board
from vipa.config import Match, Range
from vipa.dataset.import_mapping import ImportMapping
from vipa.evaluation.plan import Plan
from vipa.robot.calibrated import Calibration
from vipa.robot.description import Robot
from vipa.tasks.task import Task
from vipa_cli import cli

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs/reference"
NOTE = "\n\nWritten by `python scripts/reference.py` from the code; do not edit.\n"
FILES = {
    "Robot files, config/robots/*.yaml": Robot,
    "Task files, tasks/*.yaml": Task,
    "Calibration files": Calibration,
    "Plans of trials": Plan,
    "Mappings of datasets, config/imports/*.yaml": ImportMapping,
    "Calibration boards, in a scene's randomisation": Board,
}


def pages() -> dict[str, str]:
    """Text by file name."""
    return {"cli.md": command_line(), "parameters.md": parameters(), "files.md": yaml_keys()}


def command_line() -> str:
    lines = ["# Reference: the command line" + NOTE]
    for words, parser in _leaves(cli.parser()):
        lines.append(f"\n## `{words}`\n\n{' '.join((parser.description or '').split())}\n")
        rows = [_option(action) for action in parser._actions if action.dest != "help"]
        if rows:
            lines += ["| argument | | default |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _leaves(parser: argparse.ArgumentParser):
    subs = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not subs:
        yield parser.prog, parser
    for action in subs:
        for sub in action.choices.values():
            yield from _leaves(sub)


def _option(action) -> str:
    name = ", ".join(action.option_strings) or (action.metavar if isinstance(action.metavar, str) else action.dest)
    flag = isinstance(action, (argparse._StoreTrueAction, argparse._StoreConstAction))
    default = "" if flag or action.default in (None, "", [], argparse.SUPPRESS) else f"`{action.default}`"
    text = " ".join((action.help or "").replace("%%", "%").split()).replace("|", "\\|")
    return f"| `{name}`{' (must be given)' if action.required and action.option_strings else ''} | {text} | {default} |".replace(
        "``", "`"
    )


def parameters() -> str:
    """What the docstring of each node says of its parameters; a test holds docstrings to what nodes declare."""
    lines = [
        "# Reference: parameters of nodes" + NOTE,
        "\nRead once at the start, read-only afterwards. Every node takes `use_sim_time`, too.\n",
    ]
    for path in sorted((ROOT / "src/vipa_ros/nodes").glob("[!_]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        text = " ".join((ast.get_docstring(tree) or "").split())
        found = re.search(r"Parameters: (.*?)(?=\. (?:Prints|Leaves|Exit|A |An |With )|$)", text)
        what = text.split(". ")[0].rstrip(".")
        lines += [
            f"\n## `{path.stem}`\n",
            f"{what}.\n",
            f"{found.group(1).rstrip('.')}." if found else "No parameters.",
        ]
    return "\n".join(lines) + "\n"


def yaml_keys() -> str:
    lines = [
        "# Reference: keys of YAML files" + NOTE,
        "\nUnknown, missing and doubled keys and numbers out of range are refused by name.\n",
    ]
    for title, kind in FILES.items():
        lines.append(f"\n## {title}\n")
        seen: list[type] = [kind]
        for one in seen:
            lines += [
                f"\n### {one.__name__}\n",
                " ".join((one.__doc__ or "").split("\n\n", 1)[-1].split()),
                "",
                "| key | type | allowed | default |",
                "|---|---|---|---|",
            ]
            hints = typing.get_type_hints(one, include_extras=True)
            for field in dataclasses.fields(one):
                if not field.init:
                    continue
                shown, allowed = _type(hints[field.name])
                lines.append(f"| `{field.name}` | {shown} | {allowed} | {_default(field)} |")
                seen += [k for k in _dataclasses(hints[field.name]) if k not in seen]
    return "\n".join(lines) + "\n"


def _type(hint) -> tuple[str, str]:
    """Words for a type, and for its range."""
    args = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Annotated:
        allowed = "; ".join(
            a.words if isinstance(a, Match) else str(a) for a in args[1:] if isinstance(a, (Range, Match))
        )
        return _type(args[0])[0], allowed
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return "text", ", ".join(f"`{a}`" if a else "empty" for a in args)
    if origin in (list, tuple):
        inner, allowed = _type(args[0])
        return f"list of {inner}", allowed
    if origin is dict:
        inner, allowed = _type(args[1])
        return f"mapping to {inner}", allowed
    if args and type(None) in args:
        inner, allowed = _type(next(a for a in args if a is not type(None)))
        return f"{inner}, or null", allowed
    names = {str: "text", float: "number", int: "whole number", bool: "true or false"}
    return names.get(hint, getattr(hint, "__name__", "any")), ""


def _dataclasses(hint) -> list[type]:
    found = [hint] if isinstance(hint, type) and dataclasses.is_dataclass(hint) else []
    for arg in typing.get_args(hint):
        found += _dataclasses(arg)
    return found


def _default(field: dataclasses.Field) -> str:
    if field.default is not dataclasses.MISSING:
        return "none" if field.default is None else f"`{field.default}`" if field.default != "" else "empty"
    if field.default_factory is not dataclasses.MISSING:
        made = field.default_factory()
        return "empty" if made in ([], {}) else "see there" if dataclasses.is_dataclass(made) else f"`{made}`"
    return "must be given"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
