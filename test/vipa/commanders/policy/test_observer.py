"""What a policy may act on: fresh, together, alive."""

import numpy as np
import pytest

from vipa.commanders.policy.freshness import FreshnessCheck
from vipa.robot.captures import FROZEN_S
from vipa.robot.state import CameraFrame

S = 1_000_000_000


def frame(name, stamp_s, level=0):
    color = np.full((8, 8, 3), level, np.uint8)
    return CameraFrame(name, round(stamp_s * S), color, np.full((8, 8), level, np.uint16), np.eye(3), np.eye(4))


def frames(scene, wrist, level=0):
    return {"scene": frame("scene", scene, level), "wrist": frame("wrist", wrist, level)}


@pytest.mark.parametrize(
    "given, now, fault",
    [
        (frames(1.0, 1.05), 1.1, ""),
        ({"scene": frame("scene", 1.0)}, 1.1, "camera wrist: no frame yet"),
        (frames(1.0, 1.0), 1.31, "camera scene: newest frame is 0.31 s old, allowed 0.3 s"),
        (frames(1.0, 1.13), 1.2, "cameras are 0.13 s apart, allowed 0.12 s"),
        (frames(1.0, 1.0), 0.9, "camera scene: frame is stamped 0.10 s in the future"),
    ],
)
def test_late_missing_torn_and_future_frames_are_named(given, now, fault):
    assert FreshnessCheck(["scene", "wrist"]).fault(given, round(now * S)) == fault


def run(check, levels, period=0.1):
    """Faults of a stream whose pixels have the grey `levels`."""
    faults = []
    for k, level in enumerate(levels):
        now = 1.0 + k * period
        faults.append(check.fault(frames(now, now, level), round(now * S)))
    return faults


def test_a_stream_that_repeats_its_pixels_is_frozen_until_they_change():
    steps = round(FROZEN_S / 0.1) + 2
    faults = run(FreshnessCheck(["scene", "wrist"]), [7] * (steps + 1) + [8])
    assert not any(faults[: steps - 1])
    assert "the same pixels" in faults[steps] and faults[-1] == ""


def test_a_simulated_camera_may_look_at_a_scene_at_rest():
    assert not any(run(FreshnessCheck(["scene", "wrist"], still_ok=True), [7] * 60))
