"""Every command that a page shows names verbs, options, files and targets that exist: one that is renamed fails here, page and line named."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from vipa import resources
from vipa_cli import cli

ROOT = resources.root()
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
PLACEHOLDER = re.compile(r"…|\.\.\.|[\[\]|]")  # what a page leaves to the reader
# files that a reader makes, as a page shows them
MADE = {
    name
    for page in PAGES
    for name in re.findall(r"^```\w+ file=(\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
}
SHOWN = re.compile(r"(?<![\w/.-])(?:\.venv/bin/)?vipa (?=[a-z])")


def code_of(page: Path) -> list[tuple[int, str, bool]]:
    """(line number, code, whether it is a block's line) of all code on `page`: continued lines are joined, comments are gone."""
    found, fence, held = [], False, ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            fence = not fence
        elif fence:
            held += line.strip()
            if held.endswith("\\"):
                held = held[:-1]
                continue
            found.append((number, re.sub(r"(^|\s{2,})#.*$", "", held).strip(), True))
            held = ""
        else:
            found += [(number, span, False) for span in re.findall(r"`([^`]+)`", line)]
    assert not fence and not held, f"{page}: a block of code that does not end"
    return found


def commands() -> list[tuple[str, str, bool]]:
    """(page:line, words after `vipa`, whether a block shows it as a whole)."""
    found = []
    for page in PAGES:
        for number, code, block in code_of(page):
            for part in re.split(r"\s*(?:&&|;|\|\|)\s+", code):
                if match := SHOWN.search(part):
                    whole = block and re.fullmatch(r"(?:\$ )?(?:\w+=\S+ )*", part[: match.start()]) is not None
                    found.append((f"{page.relative_to(ROOT)}:{number}", part[match.end() :].strip(), whole))
    return found


def words_of(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an apostrophe in what is quoted of a screen
        return text.split()


def unknown(text: str) -> str:
    """'' or which verb or option of the command `text` there is not. Placeholders, and values that they stand for, are passed over."""
    parser, words = cli.parser(), words_of(PLACEHOLDER.sub(" ", text))
    while words:
        verbs = next((a for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)
        if verbs is None:
            break
        word = words.pop(0).rstrip("`,.;:)")
        if word not in verbs.choices:
            return f"no verb '{word}'; allowed: {', '.join(verbs.choices)}"
        parser = verbs.choices[word]
    options = {option for action in parser._actions for option in action.option_strings}
    given = (word.partition("=")[0].rstrip(",.;:)") for word in words if re.match(r"--?[a-z]", word))
    return next((f"no option '{option}'" for option in given if option not in options), "")


def test_every_command_names_what_there_is():
    shown = commands()
    assert len(shown) > 250, "they are found"
    wrong = [f"{where}: vipa {text}: {why}" for where, text, _ in shown if (why := unknown(text))]
    assert not wrong, "\n".join(wrong)


def test_every_command_of_a_block_parses_as_it_stands(capsys):
    """What a reader copies; only those with something left to the reader are but looked through, above."""
    wrong, parsed = [], 0
    for where, text, block in commands():
        if not block or PLACEHOLDER.search(text):
            continue
        parsed += 1
        try:
            cli.parser().parse_args(words_of(text))
        except SystemExit:
            wrong.append(f"{where}: vipa {text}: {capsys.readouterr().err.strip()}")
    assert not wrong, "\n".join(wrong)
    assert parsed > 100


@pytest.mark.parametrize(
    "text, why",
    [
        ("epsode --task water_plant", "no verb 'epsode'"),
        ("robot chek fr3_single", "no verb 'chek'"),
        ("episode --tsk water_plant", "no option '--tsk'"),
        ("doctor --task T … --dry-runs", "no option '--dry-runs'"),
        ("dataset check DATASET [--out FILE] [--jsn]", "no option '--jsn'"),
    ],
)
def test_a_name_that_there_is_not_is_found(text, why):
    assert unknown(text).startswith(why)


def missing(code: str) -> str:
    """'' or which script, node, test or make target of `code` there is not."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^(?:\w+=\S+ )*make ([a-z][\w-]*)", code):
        if not re.search(rf"^{target}:", makefile, re.MULTILINE):
            return f"no make target '{target}'"
    for name in re.findall(r"ros2 run vipa_ros (\w+)", code):
        if not (ROOT / f"src/vipa_ros/nodes/{name}.py").is_file():
            return f"no node '{name}'"
    for path in re.findall(r"(?<![\w/.-])((?:scripts|test)/[\w./-]*\w)", code):
        if not (ROOT / path).exists() and path not in MADE:
            return f"no '{path}'"
    return ""


def test_scripts_tests_nodes_and_targets_are_there():
    wrong = [f"{page.relative_to(ROOT)}:{number}: {code}: {why}"
             for page in PAGES for number, code, _ in code_of(page) if (why := missing(code))]  # fmt: skip
    assert not wrong, "\n".join(wrong)
    assert missing("make demmo") and missing("ros2 run vipa_ros expart") and missing("python scripts/no.py")
