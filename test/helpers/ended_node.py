"""A node's process that is to end by itself, in a ROS domain of its own."""

import subprocess
from pathlib import Path

from vipa_ros.bringup import environment
from vipa_ros.bringup.process import ProcessSpec, command


def ended(spec: ProcessSpec, timeout: float) -> subprocess.CompletedProcess:
    """How the process of `spec` ended within `timeout` wall seconds, with what it printed."""
    domain = environment.Domain()
    try:
        return subprocess.run(
            command(spec, Path()),
            env=environment.child_environment(domain.id),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            encoding="utf-8",
        )
    finally:
        domain.release()
