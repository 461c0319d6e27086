"""docs/reference/ is what the code says, and nodes' docstrings name every parameter that they declare."""

import ast
import importlib.util
import re

import pytest

from vipa import resources

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
