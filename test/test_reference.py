"""docs/reference/ is what the code says, and nodes' docstrings name every parameter that they declare."""

import ast
import importlib.util
import re

import pytest

from vipa import resources
from vipa.recording import topics

SPEC = importlib.util.spec_from_file_location("reference", resources.root() / "scripts/reference.py")
reference = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(reference)
NODES = sorted((resources.root() / "src/vipa_ros/nodes").glob("[!_]*.py"))


@pytest.mark.parametrize("name", ["cli.md", "parameters.md", "files.md"])
def test_the_pages_are_fresh(name):
    there = (reference.FOLDER / name).read_text(encoding="utf-8")
    assert there == reference.pages()[name], "stale: python scripts/reference.py"


@pytest.mark.parametrize("path", NODES, ids=lambda path: path.stem)
def test_nodes_name_their_parameters(path):
    text = path.read_text(encoding="utf-8")
    declared = set(re.findall(r"node\.parameter\(self, \"(\w+)\"", text))
    said = ast.get_docstring(ast.parse(text)) or ""
    missing = {name for name in declared if not re.search(rf"\b{name}\b", said)}
    assert not missing, f"{path.name}: its docstring names no {', '.join(sorted(missing))}"


RIGHTS = {
    "give and take the authority": topics.SET_AUTHORITY,
    "open contacts, ask for force": topics.TASK_CONTEXT,
    "re-arm": topics.REARM,
    "draw limits tighter": topics.TIGHTEN_LIMITS,
}


@pytest.mark.parametrize("right", RIGHTS)
def test_the_page_on_security_says_who_may_ask_motion(right):
    page = (resources.root() / "docs/security.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {right} \| (.*) \|$", page, re.MULTILINE)
    (service,) = [s for s in topics.service_table() if s.name == RIGHTS[right]]
    assert set(re.findall(r"`(\w+)`", row)) == set(service.clients.split(", "))
