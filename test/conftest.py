"""Settings and fixtures of every test."""

import os
import time

import pytest
from hypothesis import settings

from vipa_ros.bringup import environment
from vipa_ros.bringup.supervisor import remove_dead_shared_memory

# The same cases every time in CI; new ones at every run elsewhere. A case may take as long as a busy machine wants.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


# The tests' own nodes speak as those of a graph do. Before any of them is made: Fast DDS reads its profile once a process.
os.environ.update(environment.dds_additions())


@pytest.fixture(autouse=True)
def nothing_left_in_shared_memory(request):
    """Graph tests kill processes, and each leaves 70 MB in /dev/shm that no supervisor is there to remove."""
    began = time.time()
    yield
    if request.node.get_closest_marker("graph") is not None:
        remove_dead_shared_memory(began)
