"""Checks on the opening of a joint of the scene: a drawer, a sprung handle."""

from dataclasses import dataclass
from typing import Annotated

from vipa.config import Range
from vipa.robot.state import GroundTruth
from vipa.tasks.checks.base import CheckResult, CheckState, SimCheck, Travel, fraction, held, result


@dataclass(frozen=True)
class JointBeyondParams:
    """joint: name of a scalar of the scene. above or below: bound in metres or radians, exactly one of the two."""

    joint: str
    above: Travel | None = None
    below: Travel | None = None

    def __post_init__(self):
        if (self.above is None) == (self.below is None):
            raise ValueError("wants exactly one of above, below")


class JointBeyond(SimCheck):
    """The joint stands above (or below) a bound."""

    name = "joint_beyond"
    Params = JointBeyondParams

    def prepare(self, first: CheckState, truth: GroundTruth) -> None:
        self.need_scalar(truth, "joint")
        self._start = truth.scalars[self.params.joint]

    def measure(self, state: CheckState, truth: GroundTruth) -> CheckResult:
        p, value = self.params, truth.scalars.get(self.params.joint, float("nan"))
        bound, met = (p.above, value > p.above) if p.above is not None else (p.below, value < p.below)
        # a joint that has to come back starts its way where it was farthest out
        outermost = max if p.below is not None else min
        self._start = outermost(self._start, value)
        sign = ">" if p.above is not None else "<"
        return result(met, fraction(value, self._start, bound), f"{p.joint} {value:.3f} (wants {sign} {bound:g})")


@dataclass(frozen=True)
class PressedBeyondParams:
    """joint: name of a scalar of the scene, metres of travel. above: travel in metres. body: what a finger must touch
    meanwhile; empty: the travel alone counts."""

    joint: str
    above: Annotated[float, Range(above=0, high=100)]
    body: str = ""


class PressedBeyond(SimCheck):
    """A sprung button or handle is pressed in beyond a travel, by the hand."""

    name = "pressed_beyond"
    Params = PressedBeyondParams

    def prepare(self, first: CheckState, truth: GroundTruth) -> None:
        self.need_scalar(truth, "joint")
        if self.params.body:
            self.need_body(truth, "body")

    def measure(self, state: CheckState, truth: GroundTruth) -> CheckResult:
        p, value = self.params, truth.scalars.get(self.params.joint, float("nan"))
        touched = not p.body or held(state, p.body)
        evidence = f"{p.joint} {1e3 * value:.1f} mm (wants > {1e3 * p.above:g} mm)"
        if not touched:
            evidence += f", {p.body} not touched"
        return result(value > p.above and touched, fraction(value, 0.0, p.above), evidence)
