"""Freed memory stays in the process: a large array that is made again and again is not mapped anew."""

import subprocess
import sys

COUNTED = """
import resource, sys
import numpy as np
from vipa_model.training.allocator import keep_freed_memory
kept = sys.argv[1] == "keep" and keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(8_000_000, np.float64)
before = faults()
for _ in range(5):
    np.ones(8_000_000, np.float64)
print(int(kept), faults() - before)
"""


def faults(how: str) -> tuple[int, int]:
    """Whether memory was kept, and page faults of five arrays of 64 MB."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, how], capture_output=True, text=True, encoding="utf-8", check=True, timeout=60
    )
    kept, count = map(int, done.stdout.split())
    return kept, count


def test_large_arrays_are_not_mapped_anew():
    kept, count = faults("keep")
    _, plain = faults("plain")
    assert kept
    assert count < plain / 10
