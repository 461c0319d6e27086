"""The check that an object lies in a container."""

from dataclasses import dataclass

import numpy as np

from vipa.errors import VipaError
from vipa.geometry import poses
from vipa.robot.state import GroundTruth
from vipa.tasks.checks.base import CheckResult, CheckState, Distance, Metres, SimCheck, held, result


@dataclass(frozen=True)
class InsideParams:
    """object, container: bodies of the scene. The container's origin is the centre of its inner floor and the scalars
    `<container>_inner_x`, `_inner_y` (half the inner width and depth) and `_inner_z` (inner height) are in metres.

    margin: metres that the object's origin keeps from the inner walls. above_rim: metres that it may stand above the rim.
    released: no finger touches the object.
    """

    object: str
    container: str
    margin: Distance = 0.0
    above_rim: Metres = 0.02
    released: bool = True


class Inside(SimCheck):
    """The object's origin lies in the container's interior, and the hand has let go."""

    name = "inside"
    Params = InsideParams

    def prepare(self, first: CheckState, truth: GroundTruth) -> None:
        self.need_body(truth, "object")
        self.need_body(truth, "container")
        sizes = [f"{self.params.container}_{key}" for key in ("inner_x", "inner_y", "inner_z")]
        missing = [key for key in sizes if key not in truth.scalars]
        if missing:
            raise VipaError(
                f"{self.where}: params: container: '{self.params.container}' has no interior in this scene: "
                f"scalars {', '.join(missing)} are missing; the scene's scalars: {', '.join(sorted(truth.scalars))}"
            )
        half_x, half_y, height = (truth.scalars[key] for key in sizes)
        self._half = np.array([half_x, half_y]) - self.params.margin
        self._top = height + self.params.above_rim
        self._start = self._outside(truth)

    def _outside(self, truth: GroundTruth) -> float:
        """Metres from the object's origin to the interior; 0: inside. Raises KeyError if a body has gone."""
        container = truth.poses[self.params.container]
        x, y, z = poses.transform(poses.inverse(container), truth.poses[self.params.object][:3])
        beyond = np.maximum([abs(x) - self._half[0], abs(y) - self._half[1], z - self._top, -z], 0.0)
        return float(np.linalg.norm(beyond))

    def measure(self, state: CheckState, truth: GroundTruth) -> CheckResult:
        p, outside = self.params, self._outside(truth)
        self._start = max(self._start, outside)
        if outside > 0.0:
            progress = 1.0 - outside / self._start
            return result(False, 0.9 * progress, f"{p.object} {1e3 * outside:.0f} mm outside the {p.container}")
        if p.released and held(state, p.object):
            return result(False, 0.9, f"{p.object} in the {p.container}, still held")
        return result(True, 1.0, f"{p.object} in the {p.container}")
