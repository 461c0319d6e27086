"""The check that a pointing thing (a nozzle, a camera) looks at its target."""

from dataclasses import dataclass, field

import numpy as np

from vipa_ros import geometry
from vipa_ros.robot.state import GroundTruth
from vipa_ros.tasks.checks.base import (
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


@dataclass(frozen=True)
class AimsAtParams:
    """object, target: bodies of the scene. axis: (3,) direction in the object's frame; origin: (3,) metres, where the ray
    starts in the object's frame; target_offset: (3,) metres, the point aimed at in the target's frame.

    within: metres by which the ray may miss the point. near, far: metres along the ray between which the point must lie.
    held: empty, or the body that a finger must touch meanwhile.
    """

    object: str
    target: str
    within: Size
    axis: list[Metres] = field(default_factory=lambda: [1.0, 0.0, 0.0])
    origin: list[Metres] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    target_offset: list[Metres] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    near: Distance = 0.0
    far: Distance = 0.5
    held: str = ""

    def __post_init__(self):
        for key in ("axis", "origin", "target_offset"):
            need_vector(getattr(self, key), key)
        if not any(self.axis):
            raise ValueError("axis: must not be zero")
        if not self.near < self.far:
            raise ValueError("wants near < far")


class AimsAt(SimCheck):
    """A ray fixed to the object passes close to a point of the target."""

    name = "aims_at"
    Params = AimsAtParams

    def prepare(self, first: CheckState, truth: GroundTruth) -> None:
        self.need_body(truth, "object")
        self.need_body(truth, "target")
        if self.params.held:
            self.need_body(truth, "held")
        self._worst = self._miss(truth)[0]

    def _miss(self, truth: GroundTruth) -> tuple[float, float]:
        """Metres by which the ray misses the point, and the point's distance along the ray."""
        p, body = self.params, truth.poses[self.params.object]
        start = geometry.transform(body, p.origin)
        direction = geometry.rotation(body).apply(np.asarray(p.axis) / np.linalg.norm(p.axis))
        to_point = geometry.transform(truth.poses[p.target], p.target_offset) - start
        along = float(to_point @ direction)
        return float(np.linalg.norm(to_point - max(along, 0.0) * direction)), along

    def measure(self, state: CheckState, truth: GroundTruth) -> CheckResult:
        p = self.params
        miss, along = self._miss(truth)
        self._worst = max(self._worst, miss)
        grasped = not p.held or held(state, p.held)
        evidence = (
            f"{p.object} misses {p.target} by {1e3 * miss:.0f} mm (wants < {1e3 * p.within:g} mm) "
            f"at {along:.2f} m (wants {p.near:g}..{p.far:g} m)"
        )
        if not grasped:
            evidence += f", {p.held} not held"
        met = miss < p.within and p.near <= along <= p.far and grasped
        return result(met, 1.0 - miss / self._worst if self._worst > 0 else 1.0, evidence)
