"""A node's process that is to end by itself, in a ROS domain of its own."""

import subprocess
import sys

from vipa_ros.bringup import environment, episode_graph


def ended(spec: episode_graph.NodeSpec, timeout: float) -> subprocess.CompletedProcess:
    """How the process of `spec` ended within `timeout` wall seconds, with what it printed."""
    domain = environment.Domain()
    try:
        return subprocess.run(
            episode_graph.command(spec, sys.executable),
            env=environment.child_environment(domain.id),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            encoding="utf-8",
        )
    finally:
        domain.release()
