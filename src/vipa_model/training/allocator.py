"""How this process gets memory for tensors on a CPU."""

from __future__ import annotations

import ctypes

TRIM, TOP_PAD, MMAP_MAX = -1, -2, -4  # parameters of glibc's mallopt
LARGEST = 2**31 - 1  # bytes: its numbers are ints
AHEAD = 256 * 2**20  # bytes that are asked for at a time


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed. A tensor of some MB is otherwise mapped anew each time, and the kernel fills it with zeros page
    by page: a third of the time of a training step of `xs`. False where the C library has no such settings."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all([mallopt(MMAP_MAX, 0), mallopt(TRIM, LARGEST), mallopt(TOP_PAD, AHEAD)])
