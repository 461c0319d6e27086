"""Makes the helpers in this folder (synthetic_bag, …) importable from every test below it, and lets one graph run at a time."""

import fcntl
import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from vipa_ros import environment

sys.path.insert(0, str(Path(__file__).parent))

# The same cases every time in CI; new ones at every run elsewhere.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


# The tests' own nodes speak as those of a graph do. Before any of them is made: Fast DDS reads its profile once a process.
os.environ.update(environment.dds_additions())


@pytest.fixture(autouse=True)
def one_graph_at_a_time(request):
    """Two cores carry one graph of processes; with two of them DDS falls silent for seconds, and the gate stops the arm."""
    if request.node.get_closest_marker("graph") is None:
        yield
        return
    with open(Path(tempfile.gettempdir()) / f"vipa-test-graph-{os.getuid()}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
