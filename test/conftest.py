"""Makes the helpers in this folder (synthetic_bag, …) importable from every test below it."""

import os
import sys
from pathlib import Path

from hypothesis import settings

from vipa_ros import environment

sys.path.insert(0, str(Path(__file__).parent))

# The same cases every time in CI; new ones at every run elsewhere.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


# The tests' own nodes speak as those of a graph do. Before any of them is made: Fast DDS reads its profile once a process.
os.environ.update(environment.dds_additions())
