"""Start-up of every Python of .venv, in the wheels world only: makes it a ROS 2 environment with nothing sourced.

scripts/setup.sh puts it into site-packages with a .pth file whose name sorts before that of the wheels' own
bootstrapper, which then starts Python again in the environment left here. A sourced ROS is taken out: its rclpy and its
libraries would be mixed with the wheels'.
"""

import os
import sys


def enter(environ, prefix: str) -> None:
    """Makes `environ` that of the ROS installed in `prefix`; does nothing where it is so already."""
    libraries = environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    if prefix in environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) and os.path.join(prefix, "lib") in libraries:  # noqa: PTH118
        return
    sourced = ["/opt/ros"]
    for name in ("AMENT_PREFIX_PATH", "COLCON_PREFIX_PATH"):
        sourced += [path for path in environ.pop(name, "").split(os.pathsep) if path]
    for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "CMAKE_PREFIX_PATH"):
        if name in environ:
            paths = environ[name].split(os.pathsep)
            kept = [path for path in paths if not any(f"{path}/".startswith(f"{other}/") for other in sourced)]
            environ[name] = os.pathsep.join(kept)
            if not any(kept):
                del environ[name]
    for name in ("ROS_DISTRO", "ROS_VERSION", "ROS_PYTHON_VERSION", "_ROS_WHEELS_BOOTSTRAP_COMPLETE"):
        environ.pop(name, None)
    environ["AMENT_PREFIX_PATH"] = prefix
    environ["RMW_IMPLEMENTATION"] = "rmw_fastrtps_cpp"  # the only one there
    environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


enter(os.environ, sys.prefix)
