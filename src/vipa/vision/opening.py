"""How far a drawer stands open: where the flat face of its front is."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from vipa.config import Range
from vipa.vision.sight import Judgement, Sight

Metres = Annotated[float, Range(-10, 10)]
Size = Annotated[float, Range(above=0, high=10)]
EDGE_M = 0.008  # metres of the face's rim that are left out
BIN_M = 0.002  # metres
BAND_M = 0.006  # metres to either side of the face's place whose points are the face
MIN_SEEN_SHARE = 0.3  # share of the face that must be seen


@dataclass(frozen=True)
class Face:
    """face: (3,) metres in the world, middle of the front's outer face when it is closed. across: (3,) direction of its width; along:
    (3,) direction in which it opens; size: width and height, metres. reach: metres that it opens at most."""

    face: list[Metres]
    size: list[Size]
    along: list[Metres]
    reach: Size = 0.25

    def __post_init__(self):
        if len(self.face) != 3 or len(self.along) != 3 or len(self.size) != 2:
            raise ValueError("wants face and along of three numbers, size of two")
        if not any(self.along[:2]) or self.along[2]:
            raise ValueError(f"along: {self.along}; allowed: a horizontal direction")

    def axes(self) -> np.ndarray:
        """(3, 3): rows across, up, along."""
        along = np.asarray(self.along, float) / np.linalg.norm(self.along)
        up = np.array([0.0, 0.0, 1.0])
        return np.stack([np.cross(up, along), up, along])


def opening(sight: Sight, face: Face) -> Judgement:
    """Metres by which the drawer stands open.

    The face is the plane, across its way, on which most of the points lie that are within its outline; it counts as seen if MIN_SEEN_SHARE of
    it is where that plane says.
    """
    local = (sight.points[sight.valid] - face.face) @ face.axes().T
    half = np.array(face.size) / 2 - EDGE_M
    within = (np.abs(local[:, :2]) < half).all(axis=1) & (local[:, 2] > -BAND_M) & (local[:, 2] < face.reach + BAND_M)
    ways = local[within, 2]
    if not len(ways):
        return Judgement(None, "cannot see the drawer's front")
    counts, edges = np.histogram(ways, np.arange(-2 * BAND_M, face.reach + 2 * BAND_M, BIN_M))
    peak = int(np.argmax(np.convolve(counts, np.ones(3), "same")))
    middle = edges[peak] + BIN_M / 2
    way = float(np.median(ways[np.abs(ways - middle) < BAND_M]))
    across, up = np.meshgrid(np.linspace(-half[0], half[0], 25), np.linspace(-half[1], half[1], 13))
    points = face.face + np.stack([across.ravel(), up.ravel(), np.full(across.size, way)], axis=1) @ face.axes()
    share = float(sight.seen(points).mean())
    if share < MIN_SEEN_SHARE:
        return Judgement(None, f"cannot see the drawer's front: {100 * share:.0f} % of it is in view")
    return Judgement(max(way, 0.0), f"drawer's front {1e3 * way:.0f} mm out")
