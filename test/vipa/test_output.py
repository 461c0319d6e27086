"""What a program says never ends it."""

import os
import subprocess
import sys

import pytest

SAY = "from vipa import output; output.settle(); print('✓ 打开抽屉 …'); import sys; print('ç', file=sys.stderr); print('said')"


def python(code, **kwargs):
    return subprocess.run([sys.executable, "-c", code], check=False, **kwargs)


@pytest.mark.parametrize("encoding", ["latin-1", "euc_jp", "ascii", "utf-8"])
def test_a_locale_without_the_letters(encoding):
    done = python(SAY, env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}, capture_output=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode(encoding).splitlines()
    assert lines[1] == "said" and len(lines[0]) == len("✓ 打开抽屉 …")
    assert (lines[0] == "✓ 打开抽屉 …") == (encoding == "utf-8")


def test_a_disk_that_is_full_behind_it():
    with open("/dev/full", "wb") as full:
        done = python(SAY + "; sys.exit(7)", stdout=full, stderr=full)
    assert done.returncode == 7


def test_a_reader_that_has_gone():
    process = subprocess.Popen([sys.executable, "-c", SAY + "; sys.stdin.read(); print('x' * 100_000); sys.exit(7)"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    process.stdout.readline()
    process.stdout.close()
    process.stdin.close()
    assert process.wait(60) == 7


def test_the_command_line_and_the_nodes_stand_on_it():
    """A verb whose words a locale lacks."""
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    code = "import sys; from vipa_cli import cli; from vipa_cli.commands import doctor; doctor.run = lambda args: print('✓') or 0; cli.main(['doctor'])"
    done = python(code, env=env, capture_output=True)
    assert done.returncode == 0 and done.stdout == b"?\n", done.stderr
