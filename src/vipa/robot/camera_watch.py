"""Are the cameras fit for the next demonstration: not late, dark or frozen, and where they were at the last one?

`coarse_shift` answers wherever the arm stands, to about a pixel; `vipa.calibration.camera_check.fine_drift` is finer and needs the arm in
the reference's pose.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from vipa.robot.captures import dark_fault, frozen_fault

PICTURE_TIMEOUT_S = 1.0  # seconds of the local clock without a picture
# pixels, at a width of 320, that a fixed camera's view may have shifted since the last demonstration
MAX_MOVED_PX = 4.0
FEATURES = 400  # corners that are looked for
MIN_MATCHES = 30  # that must agree, or nothing is said of a move: too little is to be seen


@dataclass
class _Seen:
    """color: newest picture (H, W, 3) uint8. heard, changed: monotonic seconds of it, and of the last that differed."""

    color: np.ndarray
    heard: float
    changed: float


class CameraWatch:
    """Judges what cameras show. One thread.

    fixed: names of the cameras that stand still beside the robot: only they can have been moved. still_ok: identical pictures are
    no fault (a simulated camera has no noise).
    """

    def __init__(self, cameras, fixed, still_ok: bool):
        self.cameras, self.fixed, self.still_ok = tuple(cameras), frozenset(fixed), still_ok
        self._seen: dict[str, _Seen] = {}
        self._before: dict[str, np.ndarray] = {}  # grey pictures of the last demonstration

    def take(self, camera: str, color: np.ndarray, now: float) -> None:
        """A picture (H, W, 3) uint8 of `camera` at `now`, monotonic seconds."""
        seen = self._seen.get(camera)
        still = seen is not None and np.array_equal(seen.color, color)
        self._seen[camera] = _Seen(color, now, seen.changed if seen is not None and still else now)

    def faults(self, now: float) -> list[str]:
        """What is wrong with each camera at `now`, one line each; empty if all are fit."""
        found = []
        for name in self.cameras:
            why = self._late(name, now) or self._unfit(name) or self._moved(name)
            if why:
                found.append(f"camera {name}: {why}")
        return found

    def remember(self) -> None:
        """A demonstration is over: where the fixed cameras look now counts for the next one."""
        self._before = {n: _grey(s.color) for n, s in self._seen.items() if n in self.fixed}

    def _late(self, name: str, now: float) -> str:
        seen = self._seen.get(name)
        if seen is None:
            return "no picture yet"
        return (
            f"its last picture is {now - seen.heard:.1f} s old; allowed: {PICTURE_TIMEOUT_S:g} s"
            if now - seen.heard > PICTURE_TIMEOUT_S
            else ""
        )

    def _unfit(self, name: str) -> str:
        seen = self._seen[name]
        return dark_fault(seen.color) or ("" if self.still_ok else frozen_fault(seen.heard - seen.changed))

    def _moved(self, name: str) -> str:
        before = self._before.get(name)
        if before is None:
            return ""
        now = _grey(self._seen[name].color)
        if now.shape != before.shape:
            return f"its pictures are of {now.shape[1]}x{now.shape[0]} pixels; at the last demonstration {before.shape[1]}x{before.shape[0]}"
        shift = coarse_shift(before, now)
        allowed = MAX_MOVED_PX * now.shape[1] / 320
        return (
            f"it has moved since the last demonstration: {shift:.0f} pixels; allowed: {allowed:.0f}"
            if shift is not None and shift > allowed
            else ""
        )


def coarse_shift(before: np.ndarray, now: np.ndarray) -> float | None:
    """Pixels by which most of the view has shifted between two grey pictures (H, W) uint8: the median of where matched corners went
    under the similarity that most of them agree on, so that things that were put elsewhere count for nothing. None: too little is
    to be seen."""
    orb = cv2.ORB.create(FEATURES, fastThreshold=10)
    (a, da), (b, db) = orb.detectAndCompute(before, None), orb.detectAndCompute(now, None)
    if da is None or db is None:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(da, db)
    if len(pairs) < MIN_MATCHES:
        return None
    p, q = (
        np.array([a[m.queryIdx].pt for m in pairs], np.float32),
        np.array([b[m.trainIdx].pt for m in pairs], np.float32),
    )
    _, inside = cv2.estimateAffinePartial2D(p, q, method=cv2.RANSAC, ransacReprojThreshold=2.0)
    if inside is None or int(inside.sum()) < MIN_MATCHES:
        return None
    kept = inside.ravel().astype(bool)
    return float(np.median(np.linalg.norm(q[kept] - p[kept], axis=1)))


def _grey(color: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)
