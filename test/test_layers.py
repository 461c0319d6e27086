"""The walls of the house: which package may import which, no circle between rooms, and docs/architecture.md lists every room."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
PACKAGES = ("vipa_model", "vipa", "vipa_sim", "vipa_ros", "vipa_cli")  # each may import those before it
ROS = {"rclpy", "launch", "launch_ros", "moveit", "std_srvs", "std_msgs", "sensor_msgs", "geometry_msgs", "nav_msgs", "trajectory_msgs",
       "diagnostic_msgs", "tf2_msgs", "vipa_msgs", "rosgraph_msgs", "control_msgs", "moveit_msgs", "controller_manager_msgs"}  # fmt: skip
NEVER = {
    "vipa_model": ROS | {"mujoco", "pinocchio"},
    "vipa": ROS | {"mujoco", "gymnasium"},
    "vipa_sim": ROS,
}


def modules() -> dict[str, Path]:
    """Dotted name → file of every module of ours."""
    found = {}
    for package in PACKAGES:
        for path in (SOURCE / package).rglob("*.py"):
            name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


@cache
def imports(path: Path) -> set[str]:
    """Dotted names that a module imports, at its top or anywhere inside."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import; write the whole name"
            names |= {
                f"{node.module}.{a.name}" if f"{node.module}.{a.name}" in MODULES else node.module for a in node.names
            }
    return names


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_inward(package):
    allowed = PACKAGES[: PACKAGES.index(package) + 1] if package != "vipa_model" else (package,)
    wrong = []
    for name, path in MODULES.items():
        if name.split(".")[0] != package:
            continue
        for imported in imports(path):
            top = imported.split(".")[0]
            if (top in PACKAGES and top not in allowed) or top in NEVER.get(package, ()):
                wrong.append(f"{name} imports {imported}")
    assert not wrong, "\n".join(wrong)


def test_no_circle_between_rooms():
    edges: dict[str, dict[str, str]] = {}
    for name, path in MODULES.items():
        for imported in imports(path):
            if imported.split(".")[0] in PACKAGES and room(imported) != room(name):
                edges.setdefault(room(name), {}).setdefault(room(imported), f"{name} → {imported}")
    done: set[str] = set()

    def visit(at: str, way: list[str]) -> None:
        assert at not in way, "circle: " + "; ".join(
            edges[a][b] for a, b in zip(way[way.index(at) :], [*way[way.index(at) + 1 :], at])
        )
        if at not in done:
            for other in edges.get(at, ()):
                visit(other, [*way, at])
            done.add(at)

    for start in edges:
        visit(start, [])


def test_the_architecture_lists_every_room():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rooms = {p.parent.relative_to(SOURCE).as_posix() for p in MODULES.values() if p.name == "__init__.py"}
    top = {r for r in rooms if r.count("/") == 1}
    package, named = "", set()
    for line in text.splitlines():
        if line.startswith("src/vipa"):
            package = line.split()[0].removeprefix("src/").rstrip("/")
        elif package and line.startswith("  ") and line.split()[0].endswith("/"):
            named.add(f"{package}/{line.split()[0].rstrip('/')}")
        elif line.startswith("```"):
            package = ""
    assert named and top == named, f"not in the text: {sorted(top - named)}; not in the source: {sorted(named - top)}"
