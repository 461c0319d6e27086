"""What the source says of itself: every module, class and function that others use, and the arguments of those met first."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
MODULES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py")}
# what each module of a kind must have, described once where the kind is
INTERFACES = {"vipa_ros/nodes/": {"main"}, "vipa_cli/commands/": {"arguments", "run"}}
# the classes that a reader meets first: their docstrings have a line for every argument
ENTRY = {
    "vipa/commanders/expert/commander.py": ["Expert"],
    "vipa/commanders/inference.py": ["InferenceOptions"],
    "vipa/commanders/policy/commander.py": ["PolicyCommander"],
    "vipa/commanders/teleop/commander.py": ["Teleop"],
    "vipa/dataset/reader.py": ["Dataset"],
    "vipa/dataset/writer.py": ["DatasetWriter"],
    "vipa/motion/buffer.py": ["ChunkBuffer"],
    "vipa/motion/chunk.py": ["GroupAction", "ActionChunk", "MotionStatus"],
    "vipa/motion/control_step.py": ["ControlStep"],
    "vipa/motion/gate.py": ["SafetyGate"],
    "vipa/planning/embedded.py": ["EmbeddedPlanning"],
    "vipa/recording/bag.py": ["BagWriter"],
    "vipa/recording/reader.py": ["BagReader"],
    "vipa/robot/description.py": ["Hand", "Group", "Camera", "Robot"],
    "vipa/robot/kinematics.py": ["Kinematics", "GroupKinematics"],
    "vipa/serving/protocols/vipa.py": ["ServedPolicy"],
    "vipa/serving/server.py": ["PolicyServer"],
    "vipa/tasks/runner.py": ["EpisodeRunner"],
    "vipa/tasks/task.py": ["SubTask", "Task"],
    "vipa_model/runtime/policy.py": ["Policy"],
    "vipa_sim/cell.py": ["SimCell"],
    "vipa_sim/envs.py": ["TaskEnv"],
    "vipa_sim/loop.py": ["Loop"],
    "vipa_sim/render.py": ["Renderer"],
}


def public(module: ast.Module) -> list:
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in module.body if isinstance(node, kinds) and not node.name.startswith("_")]


def test_modules_classes_and_functions_say_what_they_are():
    silent = [path for path, module in MODULES.items() if not ast.get_docstring(module)]
    for path, module in MODULES.items():
        given = {name for folder, names in INTERFACES.items() if path.startswith(folder) for name in names}
        silent += [f"{path}: {n.name}" for n in public(module) if n.name not in given and not ast.get_docstring(n)]
    assert not silent


def arguments(entry: ast.ClassDef) -> list[str]:
    """Of the class's __init__, or its fields if it has none."""
    for node in entry.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return [a.arg for a in (*node.args.args[1:], *node.args.kwonlyargs)]
    return [n.target.id for n in entry.body if isinstance(n, ast.AnnAssign) and not n.target.id.startswith("_")]


def described(docstring: str) -> list[str]:
    """The names that the section Args has a line for."""
    lines = docstring.partition("Args:\n")[2].partition("\n\n")[0].splitlines()
    heads = [line.partition(":")[0] for line in lines if line.startswith("    ") and line[4] != " "]
    return [name.strip() for head in heads for name in head.split(",")]


@pytest.mark.parametrize("path, name", [(path, name) for path, names in ENTRY.items() for name in names])
def test_an_entry_class_describes_each_argument(path, name):
    entry = next(node for node in public(MODULES[path]) if node.name == name)
    assert sorted(described(ast.get_docstring(entry))) == sorted(arguments(entry))
