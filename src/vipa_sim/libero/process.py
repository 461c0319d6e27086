"""The process that runs LIBERO, and how it is asked."""

import json
import math
import os
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from vipa import resources
from vipa.errors import VipaError

PYTHON = "VIPA_LIBERO_PYTHON"  # variable that names another interpreter
STAMP = ".from"  # what scripts/libero_env.sh leaves when all is installed
MAX_BYTES = 64 << 20  # of an answer


def interpreter() -> Path:
    """The Python that has LIBERO. Raises VipaError."""
    ours = resources.root() / ".vipa/libero"
    found = Path(os.environ.get(PYTHON) or ours / "bin/python")
    whole = PYTHON in os.environ or (ours / STAMP).is_file()
    if not (found.is_file() and whole):
        raise VipaError(f"LIBERO is not installed: no {found}; run: make libero-env, or name a Python by ${PYTHON}")
    return found


class LiberoProcess:
    """LIBERO behind a pipe, until `close`. Used as a context."""

    def __init__(self):
        # LIBERO writes a configuration where this points, and asks at the terminal where there is none
        self._home = tempfile.TemporaryDirectory(prefix="vipa-libero-")
        env = {**os.environ, "MUJOCO_GL": os.environ.get("MUJOCO_GL", "egl"), "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [interpreter(), Path(__file__).with_name("worker.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
            env=env, cwd=self._home.name,
        )  # fmt: skip

    def __enter__(self) -> "LiberoProcess":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def ask(self, **request) -> tuple[dict, dict[str, np.ndarray]]:
        """The answer's document and arrays. Raises VipaError with what LIBERO said."""
        text = json.dumps(request).encode()
        try:
            self._process.stdin.write(struct.pack("<I", len(text)) + text)
            self._process.stdin.flush()
            told = json.loads(self._read(struct.unpack("<I", self._read(4))[0]))
            arrays = {name: self._array(dtype, shape) for name, dtype, shape in told.pop("arrays")}
        except (BrokenPipeError, EOFError):
            raise VipaError(f"LIBERO's process has ended: {self._last_words()}") from None
        if "error" in told:
            raise VipaError(f"LIBERO: {told['error']}")
        return told, arrays

    def _array(self, dtype: str, shape: list[int]) -> np.ndarray:
        kind = np.dtype(dtype)
        return np.frombuffer(self._read(kind.itemsize * math.prod(shape)), kind).reshape(shape)

    def _read(self, count: int) -> bytes:
        if not 0 <= count <= MAX_BYTES:
            raise EOFError
        data = self._process.stdout.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def _last_words(self) -> str:
        self._process.wait(5)
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or f"exit status {self._process.returncode}"

    def close(self) -> None:
        """Ends it."""
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()
        self._home.cleanup()
