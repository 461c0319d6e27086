"""What every node of a graph loads before it can say a word."""

import subprocess
import sys

NODES = ("sim", "motion", "expert", "task_manager", "recorder", "robot", "teleop", "console", "operator")


def test_nodes_start_without_what_takes_longest_to_load():
    """scipy takes 0.4 s of processor time, as much as all else that a node loads."""
    ask = f"import sys, {', '.join(f'vipa_ros.nodes.{name}' for name in NODES)}; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, encoding="utf-8")
    assert done.stdout.strip() == "False"
