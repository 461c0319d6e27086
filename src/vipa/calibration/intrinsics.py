"""A camera's intrinsics from pictures of the board: Zhang, IEEE TPAMI 22 (2000) 1330, as OpenCV has it."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from vipa.calibration.board import Board
from vipa.calibration.view import MIN_VIEWS, Intrinsics, View, board_pose, rays, worst
from vipa.errors import VipaError

GOOD_RMS, BAD_RMS = 0.5, 1.0  # pixels
TILT = 15.0  # degrees between the boards' normals, at least, or focal length and distance cannot be told apart
COVERED = 0.4  # share of a 4 x 4 grid of the picture in which corners were seen, at least
GOOD_FOCAL, BAD_FOCAL = 0.005, 0.01  # of the focal length, its standard deviation at most


@dataclass(frozen=True)
class CameraResult:
    """intrinsics: as they were found. rms: pixels. view_rms: by name of the view. focal_sigma: pixels, of the focal length.
    covered: share of the picture. differs: see `differs`, from the camera's own intrinsics; None: it says none. faults: why it is of no use; warnings; verdict: good, usable or bad."""

    intrinsics: Intrinsics
    rms: float
    view_rms: dict[str, float]
    focal_sigma: float
    covered: float
    differs: float | None
    faults: list[str]
    warnings: list[str]

    @property
    def verdict(self) -> str:
        return "bad" if self.faults else "usable" if self.warnings else "good"


def calibrate(board: Board, views: Sequence[View], own: Intrinsics | None = None) -> CameraResult:
    """The intrinsics of the camera that took `views`. own: what it says of itself. Raises VipaError where nothing can be computed."""
    if len(views) < MIN_VIEWS:
        raise VipaError(f"camera: {len(views)} pictures with the board; wanted: {MIN_VIEWS} or more")
    sizes = {v.sighting.size for v in views}
    if len(sizes) > 1:
        raise VipaError(f"camera: pictures of different sizes: {', '.join(f'{w}x{h}' for w, h in sorted(sizes))}")
    (size,), points = sizes, board.points
    seen = [points[v.sighting.ids].astype(np.float32) for v in views]
    corners = [v.sighting.corners.astype(np.float32) for v in views]
    try:
        rms, k, distortion, _, _, deviations, _, errors = cv2.calibrateCameraExtended(
            seen, corners, size, None, None, flags=cv2.CALIB_FIX_K3
        )
    except cv2.error as error:
        raise VipaError(f"camera: these pictures do not make a calibration: {error.err}") from None
    found = Intrinsics(k, distortion.ravel()[:5], size)
    by_view = {v.name: float(e) for v, e in zip(views, np.ravel(errors), strict=True)}
    sigma, covered, tilt = float(deviations.ravel()[0]), _covered(views, size), _tilt(views, points, found)
    faults, warnings = [], []
    if rms > BAD_RMS:
        faults.append(
            f"{rms:.2f} pixels RMS; allowed: {BAD_RMS:g}. Worst: {', '.join(worst(list(by_view.values()), list(by_view)))}"
        )
    elif rms > GOOD_RMS:
        warnings.append(f"{rms:.2f} pixels RMS; a good one has {GOOD_RMS:g}")
    if tilt < TILT:
        faults.append(f"the board is turned by {tilt:.0f} degrees at most; wanted: {TILT:.0f} or more, both ways")
    known = f"the focal length, {k[0, 0]:.1f} pixels, is known to {sigma:.1f}"
    if not sigma <= BAD_FOCAL * k[0, 0]:
        faults.append(
            f"{known}; allowed: {BAD_FOCAL:.0%}. Bring the board nearer to the camera, by hand if the arm cannot"
        )
    elif sigma > GOOD_FOCAL * k[0, 0]:
        warnings.append(f"{known}; a good one to {GOOD_FOCAL:.1%}: more pictures, the board nearer and more tilted")
    if covered < COVERED:
        warnings.append(f"the board was seen in {covered:.0%} of the picture; wanted: {COVERED:.0%}, corners too")
    other = None if own is None or own.size != size else differs(found, own)
    if other is not None and other > 1.0:
        warnings.append(f"the camera's own intrinsics put points {other:.1f} pixels elsewhere; allowed: 1")
    return CameraResult(found, float(rms), by_view, sigma, covered, other, faults, warnings)


def _covered(views: Sequence[View], size: tuple[int, int]) -> float:
    cells = np.zeros((4, 4), bool)
    for view in views:
        at = np.floor(view.sighting.corners / np.array(size) * 4).astype(int).clip(0, 3)
        cells[at[:, 1], at[:, 0]] = True
    return float(cells.mean())


def _tilt(views: Sequence[View], points: np.ndarray, camera: Intrinsics) -> float:
    """Degrees of the largest angle between two normals of the board."""
    normals = np.array([board_pose(v.sighting, points, camera)[:3, 2] for v in views])
    return float(np.degrees(np.arccos(np.clip((normals @ normals.T).min(), -1, 1))))


def differs(a: Intrinsics, b: Intrinsics) -> float:
    """Pixels RMS over a grid that the rays of `a`'s pixels are apart from those of `b`'s, as far as no turn of the camera explains it: a
    principal point that is 1 pixel aside is the camera turned by as much, which where the camera is takes up."""
    grid = np.stack(np.meshgrid(*(np.linspace(0.05, 0.95, 9) * s for s in a.size)), -1).reshape(-1, 2)
    one, other = (np.column_stack([rays(grid, camera), np.ones(len(grid))]) for camera in (a, b))
    one, other = (r / np.linalg.norm(r, axis=1, keepdims=True) for r in (one, other))
    turn, _ = Rotation.align_vectors(one, other)
    apart = np.linalg.norm(np.cross(one, turn.apply(other)), axis=1)
    return float(a.k[0, 0] * np.sqrt(np.mean(apart**2)))
