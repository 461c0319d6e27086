"""Where a camera is fixed, from pictures of the board in several poses of the arm: on the hand (the board stands) or beside the arm
(the hand holds the board).

A closed form begins (Park, Martin, "Robot sensor calibration: solving AX = XB on the Euclidean group", IEEE T-RA 10 (1994) 717); then
camera and board are refined together on the reprojection of every corner, with a loss that a bad view cannot bend.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from vipa.calibration.board import Board
from vipa.calibration.view import MIN_VIEWS, Intrinsics, View, angle, board_pose, project, transform, vector, worst
from vipa.errors import VipaError

TURN = np.radians(15.0)  # that poses must differ by, about two axes
GOOD_PX, BAD_PX = 0.6, 1.5  # reprojection, RMS
SIGMA_MM, SIGMA_DEG = 2.0, 0.2  # standard deviation of the result, at most; half of it is good
LEFT_OUT_MM, LEFT_OUT_DEG = 2.0, 0.2  # that leaving out one view may move the result
SCALE = 0.01  # share that the squares may seem larger or smaller than they were said to be
OUTLIER = 4.0  # times the median of the views' errors (and 1 pixel), beyond which a view is left out, and named
LOSS_PX = 1.0  # residual from which it counts less than squared


@dataclass(frozen=True)
class MountResult:
    """mount: (4, 4) parent ← optical frame, parent: the tool frame (on the hand) or the base frame. board: (4, 4), of the board in the
    other of the two. rms_px, rms_mm: of all corners, in the picture and on the board. views: by name, (pixels, millimetres) of each.
    sigma_mm, sigma_deg: standard deviations of `mount`. left_out: by name, (millimetres, degrees) that `mount` moves without that view.
    dropped: views that were left out as too far off. scale: what the squares seem to measure over what they were said to.
    faults: why it is of no use; warnings; verdict: good, usable, bad."""

    on_hand: bool
    mount: np.ndarray
    board: np.ndarray
    rms_px: float
    rms_mm: float
    views: dict[str, tuple[float, float]]
    sigma_mm: float
    sigma_deg: float
    left_out: dict[str, tuple[float, float]]
    dropped: list[str]
    scale: float
    faults: list[str]
    warnings: list[str]

    @property
    def verdict(self) -> str:
        return "bad" if self.faults else "usable" if self.warnings else "good"

    @property
    def worst(self) -> list[str]:
        """The views that fit worst, worst first."""
        return worst([px for px, _ in self.views.values()], list(self.views))


def calibrate(board: Board, views: Sequence[View], camera: Intrinsics, on_hand: bool) -> MountResult:
    """Where the camera that took `views`, each with its tool pose, is fixed.

    Raises VipaError where nothing can be computed: too few views, or poses that hardly turn.
    """
    if len(views) < MIN_VIEWS:
        raise VipaError(f"hand-eye: {len(views)} poses with the board; wanted: {MIN_VIEWS} or more, 15 are good")
    if why := _turns(views):
        raise VipaError(f"hand-eye: {why}")
    problem = _Problem(board, views, camera, on_hand)
    start = problem.closed_form()
    kept = list(range(len(views)))
    solved = problem.solve(start, kept)
    errors = problem.view_px(solved.x)
    limit = max(OUTLIER * float(np.median(errors)), 1.0)
    far = [i for i in kept if errors[i] > limit]
    if far and len(kept) - len(far) >= MIN_VIEWS:
        kept = [i for i in kept if i not in far]
        solved = problem.solve(solved.x, kept)
    return _judged(problem, solved, kept)


def _turns(views: Sequence[View]) -> str:
    """'' or that the poses do not turn enough, about two axes: along a common axis the camera's place cannot be seen (Tsai, Lenz, 1989)."""
    turns = np.array([vector(np.linalg.inv(views[0].tool) @ v.tool)[:3] for v in views])
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(turns.T)), 0.0))[::-1]  # radians about the axes, most first
    if spread[0] < TURN / 2:
        return f"the poses turn the hand by {np.degrees(2 * spread[0]):.0f} degrees; wanted: {np.degrees(TURN):.0f} or more"
    if spread[1] < TURN / 2:
        return f"the poses turn the hand about one axis alone ({np.degrees(2 * spread[1]):.0f} degrees about the next); wanted: {np.degrees(TURN):.0f} about two"
    return ""


class _Problem:
    """Reprojection of all corners by camera and board, each (6,) rotation vector and translation."""

    def __init__(self, board: Board, views: Sequence[View], camera: Intrinsics, on_hand: bool):
        self.points, self.views, self.camera, self.on_hand = board.points, views, camera, on_hand
        # with the camera beside the arm the hand and the base change places
        self.hands = [v.tool if on_hand else np.linalg.inv(v.tool) for v in views]
        self.seen = [board_pose(v.sighting, self.points, camera) for v in views]

    def closed_form(self) -> np.ndarray:
        """(12,) camera in the hand and board in the world, by AX = XB over all pairs."""
        logs, rows, values = np.zeros((3, 3)), [], []
        motions = []
        for i in range(len(self.hands)):
            for j in range(i + 1, len(self.hands)):
                a = np.linalg.inv(self.hands[j]) @ self.hands[i]
                b = self.seen[j] @ np.linalg.inv(self.seen[i])
                if np.radians(2) < angle(a[:3, :3]) < np.radians(175):  # beyond, its axis is hardly known
                    motions.append((a, b))
                    logs += np.outer(vector(b)[:3], vector(a)[:3])
        u, _, vt = np.linalg.svd(logs.T)
        turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
        for a, b in motions:
            rows.append(a[:3, :3] - np.eye(3))
            values.append(turn @ b[:3, 3] - a[:3, 3])
        shift, *_ = np.linalg.lstsq(np.vstack(rows), np.concatenate(values), rcond=None)
        mount = np.eye(4)
        mount[:3, :3], mount[:3, 3] = turn, shift
        middle = len(self.hands) // 2
        return np.concatenate([vector(mount), vector(self.hands[middle] @ mount @ self.seen[middle])])

    def residuals(self, x: np.ndarray, kept: Sequence[int]) -> np.ndarray:
        """Pixels (2 n,) over the corners of the views `kept`. x: (12,), or (13,) with the board's scale."""
        back, there = np.linalg.inv(transform(x[:6])), transform(x[6:12])
        points = self.points * (x[12] if len(x) > 12 else 1.0)
        found = []
        for i in kept:
            pose, sighting = back @ np.linalg.inv(self.hands[i]) @ there, self.views[i].sighting
            found.append((project(pose, points[sighting.ids], self.camera) - sighting.corners).ravel())
        return np.concatenate(found)

    def solve(self, start: np.ndarray, kept: Sequence[int]):
        return least_squares(self.residuals, start, args=(kept,), loss="soft_l1", f_scale=LOSS_PX, x_scale="jac")

    def view_px(self, x: np.ndarray) -> np.ndarray:
        """(n,) pixels RMS of every view."""
        return np.array([_rms(self.residuals(x, [i]).reshape(-1, 2)) for i in range(len(self.views))])

    def view_mm(self, x: np.ndarray) -> np.ndarray:
        """(n,) millimetres between the board where the arm has it and where that picture alone has it, mean of its corners, across the
        line of sight: along it a single picture knows little."""
        back, there = np.linalg.inv(transform(x[:6])), transform(x[6:12])
        found = []
        for hand, alone, view in zip(self.hands, self.seen, self.views, strict=True):
            points = np.column_stack([self.points[view.sighting.ids], np.ones(len(view.sighting.ids))])
            a, b = ((m @ points.T)[:3].T for m in (back @ np.linalg.inv(hand) @ there, alone))
            found.append(1e3 * float(np.linalg.norm((a - b)[:, :2], axis=1).mean()))
        return np.array(found)


def _judged(problem: _Problem, solved, kept: list[int]) -> MountResult:
    names = [v.name for v in problem.views]
    px, mm = problem.view_px(solved.x), problem.view_mm(solved.x)
    mount = transform(solved.x[:6])
    sigma_mm, sigma_deg = _sigmas(problem, solved.x, kept)
    left_out = _left_out(problem, solved.x, kept)
    scaled = least_squares(
        problem.residuals, np.append(solved.x, 1.0), args=(kept,), loss="soft_l1", f_scale=LOSS_PX, x_scale="jac"
    )
    scale, rms = float(scaled.x[12]), _rms(problem.residuals(solved.x, kept).reshape(-1, 2))
    dropped = [names[i] for i in range(len(names)) if i not in kept]
    faults, warnings = [], []
    if rms > BAD_PX:
        faults.append(f"{rms:.2f} pixels RMS; allowed: {BAD_PX:g}. Worst: {', '.join(worst(px, names))}")
    elif rms > GOOD_PX:
        warnings.append(f"{rms:.2f} pixels RMS; a good one has {GOOD_PX:g}")
    if abs(scale - 1) > SCALE and _rms(problem.residuals(scaled.x, kept).reshape(-1, 2)) < 0.9 * rms:
        faults.append(f"the board's squares seem to measure {scale:.3f} of what was said; measure them with a ruler")
    if sigma_mm > SIGMA_MM or sigma_deg > SIGMA_DEG:
        faults.append(
            f"known to {sigma_mm:.2f} mm and {sigma_deg:.2f} degrees; allowed: {SIGMA_MM:g} and {SIGMA_DEG:g}: take more poses that turn more"
        )
    elif sigma_mm > SIGMA_MM / 2 or sigma_deg > SIGMA_DEG / 2:
        warnings.append(
            f"known to {sigma_mm:.2f} mm and {sigma_deg:.2f} degrees; more poses, nearer the camera, tell more"
        )
    moved = max(left_out, key=lambda name: left_out[name][0])
    if left_out[moved][0] > LEFT_OUT_MM or max(d for _, d in left_out.values()) > LEFT_OUT_DEG:
        warnings.append(
            f"without {moved} it moves by {left_out[moved][0]:.1f} mm, {left_out[moved][1]:.2f} degrees; allowed: {LEFT_OUT_MM:g} mm, {LEFT_OUT_DEG:g} degrees"
        )
    if dropped:
        warnings.append(f"left out as too far off: {', '.join(dropped)}")
    if len(dropped) > len(names) / 4:
        faults.append(f"{len(dropped)} of {len(names)} poses do not fit the others")
    # fmt: off
    return MountResult(problem.on_hand, mount, transform(solved.x[6:]), rms, float(mm[kept].mean()),
                       {n: (float(p), float(m)) for n, p, m in zip(names, px, mm, strict=True)},
                       sigma_mm, sigma_deg, left_out, dropped, scale, faults, warnings)
    # fmt: on


def _left_out(problem: _Problem, x: np.ndarray, kept: list[int]) -> dict[str, tuple[float, float]]:
    """How far the camera moves without each view, by name: millimetres and degrees. One Gauss-Newton step from the solution, by the normal
    equations less that view's share."""
    parts = [(_jacobian(problem, x, [i]), problem.residuals(x, [i])) for i in kept]
    normal = sum(j.T @ j for j, _ in parts)
    found = {}
    for i, (j, r) in zip(kept, parts, strict=True):
        step = np.linalg.lstsq(normal - j.T @ j, j.T @ r, rcond=None)[0]
        found[problem.views[i].name] = apart(transform(x[:6]), transform(x[:6] + step[:6]))
    return found


def _jacobian(problem: _Problem, x: np.ndarray, kept: Sequence[int]) -> np.ndarray:
    """(2 n, 12) of the residuals, by central differences."""
    steps = 1e-6 * np.eye(len(x))
    return np.column_stack([(problem.residuals(x + h, kept) - problem.residuals(x - h, kept)) / 2e-6 for h in steps])


def _sigmas(problem: _Problem, x: np.ndarray, kept: list[int]) -> tuple[float, float]:
    """Standard deviations of the camera's place (mm) and direction (degrees), from the curvature at the solution.

    A view's corners share the errors of its pose (the arm's, the picture's), so that a view counts as a quarter of its corners.
    """
    jacobian = _jacobian(problem, x, kept)
    residuals = problem.residuals(x, kept)
    free = max(len(residuals) // 4 - len(x), 1)
    covariance = np.linalg.pinv(jacobian.T @ jacobian) * float(residuals @ residuals) / free
    return 1e3 * float(np.sqrt(np.trace(covariance[3:6, 3:6]))), float(
        np.degrees(np.sqrt(np.trace(covariance[:3, :3])))
    )


def apart(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Millimetres and degrees between two poses (4, 4)."""
    return 1e3 * float(np.linalg.norm(a[:3, 3] - b[:3, 3])), float(np.degrees(angle(a[:3, :3].T @ b[:3, :3])))


def _rms(residuals: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.sum(residuals**2, axis=1))))
