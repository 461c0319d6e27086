"""An off-screen OpenGL context: EGL, or OSMesa where EGL does not work."""

import functools
import os
import subprocess
import sys

from vipa_ros.errors import VipaError, unknown

BACKENDS = ("egl", "osmesa")
_PROBE = "from mujoco.{0} import GLContext; c = GLContext(16, 16); c.make_current(); c.free()"


@functools.cache
def backend() -> str:
    """The first backend that works here, or the one that MUJOCO_GL names.

    Tried in a process of its own: a broken driver may crash, and PyOpenGL cannot change platforms once imported.
    Raises VipaError with the line that installs one.
    """
    asked = os.environ.get("MUJOCO_GL", "").lower()
    if asked and asked not in BACKENDS:
        raise unknown("MUJOCO_GL", asked, BACKENDS)
    # the probe's answer is handed to child processes, which then need not ask again
    if asked and os.environ.get("VIPA_GL") == asked:
        return asked
    for name in (asked,) if asked else BACKENDS:
        environment = {k: v for k, v in os.environ.items() if k != "PYOPENGL_PLATFORM"}
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE.format(name)], env=environment | {"MUJOCO_GL": name}, capture_output=True
        )
        if probe.returncode == 0:
            os.environ["MUJOCO_GL"] = os.environ["VIPA_GL"] = name
            return name
    raise VipaError(
        "no off-screen OpenGL for the simulated cameras (tried "
        f"{asked or ', '.join(BACKENDS)}): sudo apt-get install -y libegl1 libgl1-mesa-dri"
    )


def context(width: int, height: int):
    """A context, current on the calling thread, with `make_current()` and `free()`. Raises VipaError."""
    if backend() == "egl":
        from mujoco.egl import GLContext
    else:
        from mujoco.osmesa import GLContext
    made = GLContext(width, height)
    made.make_current()
    return made
