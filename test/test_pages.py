"""What the pages refer to is there: files, headings, tests, constants."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])
SOURCE = "\n".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
TESTS = {path.relative_to(ROOT).as_posix() for path in (ROOT / "test").rglob("*.py")}


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_tests_and_constants_exist(page):
    text, missing = page.read_text("utf-8"), []
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            missing.append(link)
    tests = re.findall(r"`[^`\n]*?((?:test/[\w/]+/)?test_\w+\.py)", text)
    missing += [t for t in tests if "lift_cube" not in t and not any(f"/{path}".endswith(f"/{t}") for path in TESTS)]
    constants = re.findall(r"`((?:MAX|MIN|FORCE)(?:_[A-Z]+)+)`", text)
    missing += [name for name in constants if name not in SOURCE]
    assert not missing
