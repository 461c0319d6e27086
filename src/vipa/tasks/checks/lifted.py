"""The check that an object has been picked up."""

from dataclasses import dataclass

from vipa.robot.state import GroundTruth
from vipa.tasks.checks.base import CheckResult, CheckState, SimCheck, Size, fraction, held, result


@dataclass(frozen=True)
class LiftedParams:
    """object: body of the scene. height: metres above where it stood at first. held: a finger touches it."""

    object: str
    height: Size
    held: bool = True


class Lifted(SimCheck):
    """The object stands higher than at first, in the hand."""

    name = "lifted"
    Params = LiftedParams

    def prepare(self, first: CheckState, truth: GroundTruth) -> None:
        self.need_body(truth, "object")
        self._floor = float(truth.poses[self.params.object][2])

    def measure(self, state: CheckState, truth: GroundTruth) -> CheckResult:
        p, lift = self.params, float(truth.poses[self.params.object][2]) - self._floor
        grasped = not p.held or held(state, p.object)
        evidence = f"{p.object} lifted {1e3 * lift:.0f} mm (wants > {1e3 * p.height:g} mm)"
        if not grasped:
            evidence += ", not held"
        return result(lift > p.height and grasped, fraction(lift, 0.0, p.height), evidence)
