"""One habit of the command line: descriptions and helps everywhere, inputs as arguments, `--out` for outputs, `--json` a flag; docs/cli.md says so."""

import argparse
import re
from pathlib import Path

import pytest

from vipa import resources
from vipa_cli import cli, exit_status, parsers

DOCUMENT = (resources.root() / "docs/cli.md").read_text(encoding="utf-8")


def leaves(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Parsers that end a command line, by what is typed: "vipa bag info"."""
    found = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                found |= leaves(sub)
    return found or {parser.prog: parser}


LEAVES = leaves(cli.parser())


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_and_argument_says_what_it_is(name):
    parser = LEAVES[name]
    assert parser.description and parser.description.strip().endswith((".", ")")), parser.description
    assert parser.formatter_class is parsers.Formatter
    silent = [a.dest for a in parser._actions if not a.help]
    assert not silent
    assert "(default: None)" not in parser.format_help() and "(default: False)" not in parser.format_help()


@pytest.mark.parametrize("name", LEAVES)
def test_outputs_go_to_out_and_json_is_a_flag(name):
    for action in LEAVES[name]._actions:
        words = re.findall(r"\w+", (action.help or "").lower())
        if action.dest == "json":
            assert action.nargs == 0 or (name == "vipa compare" and action.nargs == "?")  # its scripts name a file
        elif action.option_strings and action.type is Path:
            inputs = ("start", "internvl", "spatial", "token_file", "depth", "camera")
            assert action.dest in (*inputs, "out"), f"{name} {action.option_strings}: a path that is not --out: {words}"


@pytest.mark.parametrize("name", LEAVES)
def test_documented(name):
    words = name.split()[1:]
    rows = [row for row in DOCUMENT.splitlines() if row.startswith(f"| `{words[0]}")]
    row = next((r for r in rows if all(re.search(rf"\b{w}\b", r.split("|")[1]) for w in words)), None)
    assert row, f"no row of docs/cli.md for {name}"
    options = {option for action in LEAVES[name]._actions for option in action.option_strings}
    assert ("--out" in options) == ("`--out`" in row) or len(words) > 1
    if "--json" in options:
        assert row.split("|")[4].strip(), f"{name}: docs/cli.md does not say what --json prints"


def test_verbs_are_grouped_and_statuses_told_once(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    for title, verbs in cli.VERBS.items():
        assert f"{title}:" in said
        assert all(re.search(rf"^  {name} +\S", said, re.MULTILINE) for name in verbs)
    for status, meaning in exit_status.MEANINGS.items():
        assert f"| {status} | {meaning} |" in DOCUMENT
