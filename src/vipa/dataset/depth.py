"""Depth as LeRobot 0.6.1 keeps it: millimetres as 12-bit codes that lie closer together where it is near.

The formula is lerobot/datasets/depth_utils.py's `quantize_depth` with `use_log`; a table of every value stands in for it.
"""

import math
from functools import cache

import numpy as np

from vipa.dataset.features import DEPTH_CODES, DEPTH_RANGE_M, DEPTH_SHIFT_M


@cache
def codes() -> np.ndarray:
    """(65536,) uint16: the code of each depth in millimetres. 0, nothing measured, has that of the least depth."""
    low, high = (float(np.float32(metres * 1000 + DEPTH_SHIFT_M * 1000)) for metres in DEPTH_RANGE_M)
    depth = np.arange(65536, dtype=np.float32)
    norm = (np.log(depth + np.float32(DEPTH_SHIFT_M * 1000)) - math.log(low)) / (math.log(high) - math.log(low))
    return np.rint(norm * DEPTH_CODES).clip(0, DEPTH_CODES).astype(np.uint16)


def quantized(depth: np.ndarray) -> np.ndarray:
    """(H, W) uint16 millimetres as codes (H, W) uint16, 0 to 4095."""
    return codes()[depth]
