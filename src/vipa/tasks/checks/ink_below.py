"""The check that marks have been wiped off."""

from dataclasses import dataclass
from typing import Annotated

from vipa.config import Range
from vipa.robot.state import GroundTruth
from vipa.tasks.checks.base import CheckResult, CheckState, SimCheck, fraction, result


@dataclass(frozen=True)
class InkBelowParams:
    """ink: scalar of the scene, the amount of ink that is left. below: allowed fraction 0..1 of what was there at first."""

    ink: str
    below: Annotated[float, Range(above=0, high=0.999)]


class InkBelow(SimCheck):
    """Less than a fraction of the ink is left."""

    name = "ink_below"
    Params = InkBelowParams

    def prepare(self, first: CheckState, truth: GroundTruth) -> None:
        self.need_scalar(truth, "ink")
        self._start = truth.scalars[self.params.ink]

    def measure(self, state: CheckState, truth: GroundTruth) -> CheckResult:
        p = self.params
        left = truth.scalars[p.ink] / self._start if self._start > 0 else 0.0
        evidence = f"{p.ink} {100 * left:.1f} % left (wants < {100 * p.below:g} %)"
        return result(left < p.below, fraction(left, 1.0, p.below), evidence)
