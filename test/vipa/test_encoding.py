"""Text is UTF-8 whatever the locale: nothing reads or writes a file in the machine's encoding."""

import ast
import os
import re
import subprocess
import sys

import pytest

from vipa import resources

ROOT = resources.root()
FILES = sorted(p for folder in ("src", "scripts", "launch", "test") for p in (ROOT / folder).rglob("*.py"))
MODES = r"[rwax]t?\+?"


def by_locale(call: ast.Call) -> bool:
    """Whether `call` opens, reads or writes text without saying how it is encoded."""
    if any(k.arg == "encoding" or k.arg is None for k in call.keywords):
        return False
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if name == "read_text" and isinstance(call.func, ast.Attribute):
        return not call.args and getattr(call.func.value, "id", "") != "documents"
    if name == "write_text":
        return len(call.args) < 2
    if isinstance(call.func, ast.Name) and name == "open":
        return len(call.args) < 2 or bool(re.fullmatch(MODES, texts[-1] if texts else ""))
    if name == "open" and getattr(call.func.value, "id", "") != "av":
        return bool(texts) and bool(re.fullmatch(MODES, texts[0]))
    if name in ("run", "Popen", "check_output", "fdopen"):
        return any(k.arg in ("text", "universal_newlines") for k in call.keywords)
    return False


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_text_is_read_or_written_by_the_locale(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and by_locale(node)]
    assert not found, f"lines without encoding='utf-8': {found}"


def test_files_that_ship_load_under_a_locale_that_is_not_utf_8():
    code = (
        "import vipa.resources as r; from vipa.robot.description import load_robot; from vipa.tasks.task import load_task;"
        "from vipa.robot.kinematics import Kinematics; import sys;"
        "[Kinematics(load_robot(n)) for n in r.names('config/robots')]; [load_task(n) for n in r.names('tasks')];"
        "print(sys.getfilesystemencoding())"
    )
    env = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    not_ours = "ignore::EncodingWarning:cv2.load_config_py3"  # how OpenCV reads its own file
    line = [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning", "-W", not_ours, "-c", code]
    done = subprocess.run(line, env=env, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
