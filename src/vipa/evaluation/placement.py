"""Resetting a real scene: the required placement over the live picture."""

from dataclasses import dataclass

import cv2
import numpy as np

TINT = (0.35, np.array([90, 255, 140], float))  # share and colour of what is to stand there
OUTLINE = (0, 255, 90)


@dataclass(frozen=True)
class Wanted:
    """How a camera would see the required placement: color (H, W, 3) uint8 RGB, mask (H, W) bool: where the movable things are."""

    color: np.ndarray
    mask: np.ndarray


def overlay(live: np.ndarray, wanted: Wanted) -> np.ndarray:
    """`live` (H, W, 3) uint8 RGB with the things where they are to be put: half as they will look, tinted, and outlined."""
    height, width = live.shape[:2]
    color = cv2.resize(wanted.color, (width, height), interpolation=cv2.INTER_AREA)
    mask = cv2.resize(wanted.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
    share, tint = TINT
    ghost = (1 - share) * color + share * tint
    shown = np.where(mask[..., None], 0.5 * live + 0.5 * ghost, live).astype(np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.ascontiguousarray(shown), outlines, -1, OUTLINE, 2)
