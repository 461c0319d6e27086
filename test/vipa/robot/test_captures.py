"""What of a camera is refused, by name: live and from bags it is this one judgement."""

import dataclasses
import re

import numpy as np
import pytest

from vipa.robot.captures import FROZEN_S, StillCheck, capture_fault
from vipa.robot.state import CameraFrame

SIZE = (64, 48)
K = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])


def frame(**fields):
    random = np.random.default_rng(3)
    good = CameraFrame(
        "wrist",
        10**9,
        random.integers(0, 255, (48, 64, 3), np.uint8),
        random.integers(300, 900, (48, 64)).astype(np.uint16),
        K,
        np.eye(4),
    )
    return dataclasses.replace(good, **fields)


def changed(row, column, value):
    k = K.copy()
    k[row, column] = value
    return k


BAD = {
    "empty depth": (
        frame(depth=np.zeros((48, 64), np.uint16)),
        SIZE,
        "depth is empty: 0.0 % of its pixels have one; allowed: 1 %",
    ),
    "depth not aligned": (frame(depth=np.ones((24, 32), np.uint16)), SIZE, r"depth is uint16 \(24, 32\)"),
    "depth in metres": (frame(depth=np.ones((48, 64), np.float32)), SIZE, "depth is float32"),
    "no colour": (frame(color=np.zeros((48, 64), np.uint8)), SIZE, "colour is uint8"),
    "no pixels": (
        frame(color=np.zeros((0, 0, 3), np.uint8), depth=np.zeros((0, 0), np.uint16)),
        (0, 0),
        "colour is uint8",
    ),
    "info of another size": (frame(), (640, 480), "camera_info is of 640x480 pixels; allowed: 64x48"),
    "K of another size": (frame(intrinsics=K * [[2, 1, 2], [1, 2, 2], [1, 1, 1]]), SIZE, "principal point 64.0, 48.0"),
    "nan": (frame(intrinsics=changed(0, 2, np.nan)), SIZE, "K is not finite"),
    "zeros": (frame(intrinsics=np.zeros((3, 3))), SIZE, "focal lengths 0.0, 0.0"),
    "not square": (frame(intrinsics=changed(1, 1, 20.0)), SIZE, "focal lengths 60.0, 20.0"),
    "no pinhole": (frame(intrinsics=changed(2, 2, 0.0)), SIZE, "no pinhole"),
    "no stamp": (frame(stamp_ns=0), SIZE, "its stamp is zero"),
    "pose": (frame(extrinsics=np.full((4, 4), np.nan)), SIZE, "its pose is not finite"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(case):
    bad, size, words = BAD[case]
    why = capture_fault(bad, size)
    assert why.startswith("camera wrist: ")
    assert re.search(words, why), why


def test_a_good_capture_is_none_and_a_little_depth_is_enough():
    assert capture_fault(frame(), SIZE) == ""
    sparse = np.zeros((48, 64), np.uint16)
    sparse[:1] = 500
    assert capture_fault(frame(depth=sparse), SIZE) == ""


def play(check, colors, depths, period=0.1):
    """The faults of a stream whose colours and depths count so."""
    return [
        check.fault(
            frame(
                stamp_ns=round((1 + k * period) * 1e9),
                color=np.full((48, 64, 3), c, np.uint8),
                depth=np.full((48, 64), 500 + d, np.uint16),
            )
        )
        for k, (c, d) in enumerate(zip(colors, depths))
    ]


@pytest.mark.parametrize("still_ok", [False, True])
def test_depth_that_stands_while_colours_change_is_frozen_until_it_moves(still_ok):
    count = round(FROZEN_S / 0.1) + 2
    faults = play(StillCheck(still_ok), range(count + 1), [0] * count + [1])
    assert (
        not any(faults[: count - 1])
        and faults[count - 1] == "camera wrist: the same depth for 2.1 s"
        and faults[-1] == ""
    )


def test_colours_that_change_for_a_moment_before_a_scene_rests_are_no_fault():
    """Seen: a scene settled below the millimetre that depth counts in, stood, and the commander waited for depth for ever."""
    settling, rest = round(FROZEN_S / 0.1) - 1, 100
    assert not any(play(StillCheck(True), [*range(settling), *[7] * rest], [0] * (settling + rest)))


def test_a_fault_of_depth_stays_when_the_scene_comes_to_rest():
    count = round(FROZEN_S / 0.1) + 2
    faults = play(StillCheck(True), [*range(count), *[99] * 50], [0] * (count + 50))
    assert all("the same depth" in why for why in faults[count:])


def test_a_simulated_scene_at_rest_is_no_fault_and_a_real_one_is():
    assert not any(play(StillCheck(True), [7] * 60, [7] * 60))
    assert "the same pixels" in play(StillCheck(), [7] * 60, range(60))[-1]


def test_a_clock_that_jumps_back_begins_anew():
    check = StillCheck()
    play(check, [7] * 60, [7] * 60)
    assert check.fault(frame(stamp_ns=10**9, color=np.full((48, 64, 3), 7, np.uint8))) == ""
