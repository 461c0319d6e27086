"""Has a camera moved since the reference picture was taken? By points of the scene that both pictures show.

`fine_drift` tells half a pixel, with the arm in the reference's pose: many of its points lie on the arm; elsewhere too few are left, and
`vipa.robot.camera_watch.coarse_shift` tells a camera that moved by pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

# drift above which a camera has moved: half of what must be found, far above what pictures' noise makes
MAX_DRIFT_PX, MAX_DRIFT_DEG = 1.0, 0.12
MIN_POINTS = 25  # that must agree, or the pictures say nothing
MATCH_RATIO = 0.75  # of the distances to the best and the second-best match: Lowe, Int. J. Comput. Vis. 60 (2004) 91
NEAR_PX = 2.0  # pixels within which a point follows the common motion


@dataclass(frozen=True)
class Drift:
    """How far a camera has moved. pixels: median way of the points that agree. degrees: angle of the rotation that explains them, for a
    camera that stays in its place. points: how many agree."""

    pixels: float
    degrees: float
    points: int

    def fault(self, camera: str) -> str:
        """'' or in one line that the camera has moved, or that it cannot be told."""
        if self.points < MIN_POINTS:
            return f"camera {camera}: only {self.points} points of the reference are seen again; wanted: {MIN_POINTS}. Is it covered, turned or dark?"
        if self.pixels > MAX_DRIFT_PX or self.degrees > MAX_DRIFT_DEG:
            return f"camera {camera} has moved: {self.pixels:.1f} pixels, {self.degrees:.2f} degrees; allowed: {MAX_DRIFT_PX:g} pixels, {MAX_DRIFT_DEG:g} degrees"
        return ""


def fine_drift(reference: np.ndarray, now: np.ndarray, intrinsics: np.ndarray) -> Drift:
    """Between two RGB pictures (H, W, 3) uint8 of a camera with matrix `intrinsics` (3, 3), pixels.

    SIFT points, matched both ways by Lowe's ratio; those of the homography that most of them follow (RANSAC) count: what was put elsewhere in
    the scene is in the minority.
    """
    sift = cv2.SIFT_create(2000, contrastThreshold=0.02)
    found = [sift.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None) for image in (reference, now)]
    (first, a), (second, b) = found
    if a is None or b is None or min(len(a), len(b)) < 2:
        return Drift(0.0, 0.0, 0)
    forth, back = _matches(a, b), _matches(b, a)
    pairs = [(i, j) for i, j in forth.items() if back.get(j) == i]
    if len(pairs) < 4:
        return Drift(0.0, 0.0, 0)
    p = np.float64([first[i].pt for i, _ in pairs])
    q = np.float64([second[j].pt for _, j in pairs])
    homography, inside = cv2.findHomography(p, q, cv2.RANSAC, NEAR_PX, maxIters=5000, confidence=0.999)
    if homography is None:
        return Drift(0.0, 0.0, 0)
    inside = inside.ravel().astype(bool)
    return Drift(
        float(np.median(np.linalg.norm(q - p, axis=1)[inside])),
        _angle(p[inside], q[inside], intrinsics),
        int(inside.sum()),
    )


def _matches(a: np.ndarray, b: np.ndarray) -> dict[int, int]:
    pairs = cv2.BFMatcher().knnMatch(a, b, k=2)
    return {m.queryIdx: m.trainIdx for m, n in pairs if m.distance < MATCH_RATIO * n.distance}


def _angle(p: np.ndarray, q: np.ndarray, k: np.ndarray) -> float:
    """Degrees of the rotation that brings the rays through the pixels `p` (n, 2) closest to those through `q`: Kabsch, Acta Cryst. A 32
    (1976) 922."""
    rays = [np.linalg.solve(k, np.vstack([x.T, np.ones(len(x))])) for x in (p, q)]
    a, b = (r / np.linalg.norm(r, axis=0) for r in rays)
    turn, _ = Rotation.align_vectors(b.T, a.T)
    return float(np.degrees(turn.magnitude()))
