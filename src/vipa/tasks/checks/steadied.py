"""The check that a thing is held where it stands."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from vipa.config import Range
from vipa.geometry import poses
from vipa.robot.state import GroundTruth
from vipa.tasks.checks.base import CheckResult, CheckState, SimCheck, Size, result, touching

UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class SteadiedParams:
    """object: body of the scene. moved: metres that it may have moved from where it stood at first. leans: radians that its z axis may
    lean. fingers: that must touch it, at least."""

    object: str
    moved: Size
    leans: Annotated[float, Range(above=0, high=3.2)]
    fingers: Annotated[int, Range(1, 20)] = 2


class Steadied(SimCheck):
    """The object is in a hand's grip and stands upright where it stood."""

    name = "steadied"
    Params = SteadiedParams

    def prepare(self, first: CheckState, truth: GroundTruth) -> None:
        self.need_body(truth, "object")
        self._start = truth.poses[self.params.object][:3].copy()

    def measure(self, state: CheckState, truth: GroundTruth) -> CheckResult:
        p = self.params
        moved = float(np.linalg.norm(truth.poses[p.object][:3] - self._start))
        leans = leaning(truth.poses[p.object])
        fingers = len(touching(truth, p.object) & state.fingers)
        evidence = (
            f"{fingers} fingers at {p.object} (wants {p.fingers}), {1e3 * moved:.0f} mm from where it stood "
            f"(wants < {1e3 * p.moved:g} mm), leans by {leans:.2f} rad (wants < {p.leans:g})"
        )
        met = fingers >= p.fingers and moved < p.moved and leans < p.leans
        return result(met, fingers / p.fingers, evidence)


def leaning(pose: np.ndarray) -> float:
    """Radians between the z axis of a pose (7,) and the vertical."""
    return float(np.arccos(np.clip(poses.directions(pose, UP) @ UP, -1.0, 1.0)))
