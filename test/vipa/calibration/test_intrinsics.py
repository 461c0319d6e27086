"""Intrinsics against the truth: a simulated camera behind a lens whose distortion is known, noisy pictures, guided poses."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from helpers.board_cell import SIZE, BoardCell
from vipa.calibration import intrinsics
from vipa.calibration.board import Finder
from vipa.calibration.view import Intrinsics, View, rays
from vipa.calibration.viewpoints import INTRINSICS
from vipa.errors import VipaError

LENS = np.array([-0.11, 0.05, 0.001, -0.0008, 0.0])  # plumb_bob, of a D4xx's order


def lens(k: np.ndarray) -> np.ndarray:
    """(H, W, 2) where a pinhole with matrix `k` has what a lens with distortion LENS shows at a pixel: cv2.remap takes it."""
    pixels = np.stack(np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1])), -1).reshape(-1, 2)
    straight = rays(pixels, Intrinsics(k, LENS, SIZE)) * k[[0, 1], [0, 1]] + k[:2, 2]
    return straight.reshape(SIZE[1], SIZE[0], 2).astype(np.float32)


@pytest.fixture(scope="module")
def seen():
    """(the cell, its true intrinsics, views all over the picture)."""
    cell = BoardCell("wrist", 0)
    finder, views, came = Finder(cell.board), [], lens(cell.k)
    for number, q in enumerate(cell.poses(24, spread=INTRINSICS)):
        found = finder.find(cv2.remap(cell.picture(q, number), came, None, cv2.INTER_LINEAR))
        if not isinstance(found, str):
            views.append(View(f"pose {number + 1}", found))
    yield cell, Intrinsics(cell.k, LENS, SIZE), views
    cell.close()


def test_they_are_the_truth_within_half_a_pixel(seen):
    _, true, views = seen
    found = intrinsics.calibrate(seen[0].board, views, None)
    k = found.intrinsics.k
    off = intrinsics.differs(found.intrinsics, true)
    print(f"{len(views)} pictures: focal {k[0, 0] - true.k[0, 0]:+.2f} of {true.k[0, 0]:.1f}, middle "
          f"{k[0, 2] - true.k[0, 2]:+.2f}, {k[1, 2] - true.k[1, 2]:+.2f}, {off:.2f} pixels apart, {found.rms:.2f} RMS")  # fmt: skip
    assert found.verdict != "bad" and len(views) >= 12
    assert abs(k[0, 0] / true.k[0, 0] - 1) < 0.005 and abs(k[1, 1] / true.k[1, 1] - 1) < 0.005
    assert np.abs(k[:2, 2] - true.k[:2, 2]).max() < 2.0
    assert off < 0.5, off
    assert intrinsics.differs(Intrinsics(true.k, np.zeros(5), SIZE), true) > 3.0, "a lens that nobody measures is seen"
    assert abs(k[0, 0] - true.k[0, 0]) < 4 * found.focal_sigma, "it knows how well it knows"


def test_a_focal_length_that_is_known_badly_is_said(seen, monkeypatch):
    cell, _, views = seen
    found = intrinsics.calibrate(cell.board, views[:8])
    monkeypatch.setattr(intrinsics, "GOOD_FOCAL", 0.9 * found.focal_sigma / found.intrinsics.k[0, 0])
    found = intrinsics.calibrate(cell.board, views[:8])
    assert found.verdict == "usable" and any("is known to" in w for w in found.warnings)
    monkeypatch.setattr(intrinsics, "BAD_FOCAL", intrinsics.GOOD_FOCAL)
    found = intrinsics.calibrate(cell.board, views[:8])
    assert found.verdict == "bad" and any("Bring the board nearer" in f for f in found.faults)


def test_a_camera_that_says_something_else_of_itself_is_told(seen):
    cell, true, views = seen
    assert intrinsics.calibrate(cell.board, views, true).differs < 0.5
    wrong = Intrinsics(true.k * np.array([[1.02, 1, 1], [1, 1.02, 1], [1, 1, 1]]), true.distortion, SIZE)
    found = intrinsics.calibrate(cell.board, views, wrong)
    assert found.differs > 1.0 and any("own intrinsics put points" in w for w in found.warnings)


def test_what_makes_no_calibration_is_refused_or_bad(seen):
    cell, _, views = seen
    with pytest.raises(VipaError, match="7 pictures with the board; wanted: 8 or more"):
        intrinsics.calibrate(cell.board, views[:7])
    same = [View(f"picture {i}", views[0].sighting) for i in range(10)]
    assert intrinsics.calibrate(cell.board, same).verdict == "bad"
    rng = np.random.default_rng(0)
    torn = [
        View(v.name, replace(v.sighting, corners=v.sighting.corners + rng.normal(0, 3.0, v.sighting.corners.shape)))
        for v in views
    ]
    found = intrinsics.calibrate(cell.board, torn)
    assert found.verdict == "bad" and any("pixels RMS" in fault for fault in found.faults)
