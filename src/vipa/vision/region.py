"""Where a thing of a known colour lies, and whether that is within a box."""

from dataclasses import dataclass, field
from typing import Annotated

import cv2
import numpy as np

from vipa.config import Range
from vipa.vision.sight import Judgement, Sight

Metres = Annotated[float, Range(-10, 10)]
Degrees = Annotated[float, Range(0, 360)]
Share = Annotated[float, Range(0, 1)]
MIN_SEEN_SHARE = 0.5  # share of the thing's outline that must be seen
MIN_PIXELS = 6  # pixels of it, whatever its outline
SPREAD_RADII = 3.0  # radii about the middle of a patch within which nine tenths of it lie
RAISED, MIDDLE = 0.2, 0.7  # of its height over the table above which its points, and the middle of them, are
MAX_PATCHES = 4  # that are looked at, the largest first


@dataclass(frozen=True)
class Thing:
    """How a thing looks. hue: degrees, from and to (350 to 10 is red); saturation, value: from and to, 0..1. radius: metres, of a ball of
    the size that it shows. height: metres of its middle above what it lies on, 0: the radius. table: metres in the world of what it may lie on, which may have its colour."""

    hue: list[Degrees]
    radius: Annotated[float, Range(above=0, high=1)]
    saturation: list[Share] = field(default_factory=lambda: [0.3, 1.0])
    value: list[Share] = field(default_factory=lambda: [0.1, 1.0])
    height: Annotated[float, Range(0, 1)] = 0.0
    table: Metres = 0.0

    def __post_init__(self):
        if len(self.hue) != 2 or len(self.saturation) != 2 or len(self.value) != 2:
            raise ValueError("hue, saturation and value want two numbers each, from and to")


def coloured(color: np.ndarray, thing: Thing) -> np.ndarray:
    """(H, W) bool: pixels of (H, W, 3) uint8 in the colours of `thing`."""
    smooth = cv2.medianBlur(np.ascontiguousarray(color), 3)  # noise has every hue where it is dark
    hue, saturation, value = np.moveaxis(cv2.cvtColor(smooth.astype(np.float32) / 255, cv2.COLOR_RGB2HSV), -1, 0)
    low, high = thing.hue
    right = (hue >= low) & (hue <= high) if low <= high else (hue >= low) | (hue <= high)
    for channel, (least, most) in ((saturation, thing.saturation), (value, thing.value)):
        right &= (channel >= least) & (channel <= most)
    return right


def located(sight: Sight, thing: Thing) -> tuple[np.ndarray | None, str]:
    """((3,) metres in the world, "") of the middle of the thing, or (None, why it cannot be seen).

    Of the pixels in its colours the largest patch is it that is no larger in space, if it shows enough of a ball of its size at that
    distance.
    """
    mask = (
        coloured(sight.color, thing)
        & sight.valid
        & (sight.points[..., 2] > thing.table + RAISED * (thing.height or thing.radius))
    )
    _count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    best = 0.0
    for label in 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA])[:MAX_PATCHES]:
        points = sight.points[labels == label]
        surface = np.median(points, axis=0)
        flat = surface[2] < thing.table + MIDDLE * (thing.height or thing.radius)
        if (
            len(points) < MIN_PIXELS
            or flat
            or np.quantile(np.linalg.norm(points - surface, axis=1), 0.9) > SPREAD_RADII * thing.radius
        ):
            continue
        ray = surface - sight.frame.extrinsics[:3, 3]
        distance = float(np.linalg.norm(ray))
        share = len(points) / (np.pi * (thing.radius * sight.frame.intrinsics[0, 0] / distance) ** 2)
        if share >= MIN_SEEN_SHARE:  # the middle of a ball's seen half lies 0.6 radii behind its surface
            return surface + ray / distance * thing.radius * 0.6, ""
        best = max(best, share)
    return None, f"cannot see it: {100 * best:.0f} % of it is in view"


def outside(sight: Sight, thing: Thing, low: np.ndarray, high: np.ndarray) -> Judgement:
    """Metres from the thing's middle to the box from `low` (3,) to `high` (3,), world; 0: it lies within."""
    at, why = located(sight, thing)
    if at is None:
        return Judgement(None, why)
    away = float(np.linalg.norm(np.maximum(np.maximum(low - at, at - high), 0.0)))
    return Judgement(away, "inside" if away == 0 else f"{1e3 * away:.0f} mm outside")
