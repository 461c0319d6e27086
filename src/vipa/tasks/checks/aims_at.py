"""The check that a jet (of a nozzle, a pen of light) meets its target."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from vipa.config import Range
from vipa.geometry import poses
from vipa.robot.state import GroundTruth
from vipa.tasks.checks.base import (
    CheckResult,
    CheckState,
    Distance,
    Metres,
    SimCheck,
    Size,
    held,
    need_vector,
    result,
)

POINTS = 101  # of the jet that are looked at
WORLD_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class AimsAtParams:
    """object, target: bodies of the scene. axis: (3,) direction in the object's frame; origin: (3,) metres, where the jet
    starts in the object's frame; target_offset: (3,) metres, the middle of what it shall meet, in the target's frame.

    size: (3,) metres, half-axes in the target's frame of the ellipsoid that the jet must enter; or within: metres, radius of a
    ball. near, far: metres from the origin between which the jet is looked at: it must meet the target there. drop: how far
    the jet has fallen at one metre, growing with the square of the distance; 0: a straight ray.
    held: empty, or the body that a finger must touch meanwhile.
    """

    object: str
    target: str
    size: list[Size] = field(default_factory=list)
    within: Distance = 0.0
    axis: list[Metres] = field(default_factory=lambda: [1.0, 0.0, 0.0])
    origin: list[Metres] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    target_offset: list[Metres] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    near: Distance = 0.0
    far: Distance = 0.5
    drop: Annotated[float, Range(0, 10)] = 0.0
    held: str = ""

    def __post_init__(self):
        for key in ("axis", "origin", "target_offset"):
            need_vector(getattr(self, key), key)
        if bool(self.size) == bool(self.within):
            raise ValueError("wants exactly one of size, within")
        if self.size:
            need_vector(self.size, "size")
        if not any(self.axis):
            raise ValueError("axis: must not be zero")
        if not self.near < self.far:
            raise ValueError("wants near < far")


class AimsAt(SimCheck):
    """A jet fixed to the object enters the volume that the target takes up."""

    name = "aims_at"
    Params = AimsAtParams

    def prepare(self, first: CheckState, truth: GroundTruth) -> None:
        self.need_body(truth, "object")
        self.need_body(truth, "target")
        if self.params.held:
            self.need_body(truth, "held")
        self._worst = self._miss(truth)[0]

    def _miss(self, truth: GroundTruth) -> tuple[float, float]:
        """Metres by which the jet misses the volume, 0: it enters it, and how far from its origin it comes nearest."""
        p, body = self.params, truth.poses[self.params.object]
        along = np.linspace(p.near, p.far, POINTS)
        direction = poses.directions(body, np.asarray(p.axis) / np.linalg.norm(p.axis))
        jet = poses.transform(body, p.origin) + along[:, None] * direction - p.drop * along[:, None] ** 2 * WORLD_UP
        target = truth.poses[p.target]
        offset = poses.directions(poses.inverse(target), jet - poses.transform(target, p.target_offset))
        share = np.linalg.norm(offset / (p.size or [p.within] * 3), axis=1)  # below 1: inside
        nearest = int(np.argmin(share))
        if share[nearest] <= 1.0:
            return 0.0, float(along[np.argmax(share <= 1.0)])
        return float(np.linalg.norm(offset[nearest]) * (1.0 - 1.0 / share[nearest])), float(along[nearest])

    def measure(self, state: CheckState, truth: GroundTruth) -> CheckResult:
        p = self.params
        miss, along = self._miss(truth)
        self._worst = max(self._worst, miss)
        met = miss == 0.0
        if met:
            evidence = f"the jet of {p.object} meets {p.target} at {along:.2f} m"
        else:
            evidence = f"the jet of {p.object} passes {1e3 * miss:.0f} mm beside {p.target} at {along:.2f} m (looked at from {p.near:g} to {p.far:g} m)"
        if p.held and not held(state, p.held):
            met, evidence = False, f"{evidence}, {p.held} not held"
        return result(met, 1.0 - miss / self._worst if self._worst > 0 else 1.0, evidence)
