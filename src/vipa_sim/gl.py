"""An off-screen OpenGL context: EGL, or OSMesa where EGL does not work."""

import functools
import importlib
import os
import subprocess
import sys

from vipa.errors import VipaError, unknown

PLATFORMS = ("egl", "osmesa")
_PROBE = "from mujoco.{0} import GLContext; c = GLContext(16, 16); c.make_current(); c.free()"


@functools.cache
def platform() -> str:
    """The first platform that works here; the one that MUJOCO_GL names is tried first.

    Tried in a process of its own: a broken driver may crash, and PyOpenGL cannot change platforms once imported. Child
    processes inherit the answer in VIPA_GL. Raises VipaError with the line that installs one.
    """
    known = os.environ.get("VIPA_GL", "")
    if known in PLATFORMS:
        return known
    asked = os.environ.get("VIPA_MUJOCO_GL", "").lower()
    if asked and asked not in PLATFORMS:
        raise unknown("MUJOCO_GL", asked, PLATFORMS)
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYOPENGL_PLATFORM", "MUJOCO_GL")}
    for name in sorted(PLATFORMS, key=lambda name: name != asked):
        probe = subprocess.run([sys.executable, "-c", _PROBE.format(name)], env=inherited, capture_output=True)
        if probe.returncode == 0:
            os.environ["VIPA_GL"] = name
            return name
    raise VipaError(
        f"no off-screen OpenGL for the simulated cameras (tried {', '.join(PLATFORMS)}): "
        "sudo apt-get install -y libegl1 libgl1-mesa-dri libopengl0"
    )


_renders: int | None = None  # the process that made the first context


def context(width: int, height: int):
    """A context, current on the calling thread, with `make_current()` and `free()`.

    Raises VipaError; also in a process that was forked from one that had a context: its drivers would wait for ever there.
    """
    global _renders
    name = platform()
    if _renders not in (None, os.getpid()):
        raise VipaError(
            "this process was forked from one that renders, and cannot; start it afresh: multiprocessing context 'spawn', "
            "of gymnasium's async vector envs vector_kwargs={'context': 'spawn'}"
        )
    _renders = os.getpid()
    os.environ["PYOPENGL_PLATFORM"] = name  # MuJoCo's modules refuse another one
    made = importlib.import_module(f"mujoco.{name}").GLContext(width, height)
    made.make_current()
    return made
