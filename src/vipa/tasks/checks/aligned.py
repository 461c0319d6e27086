"""The check that one thing is held straight over the opening of another."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from vipa.config import Range
from vipa.geometry import poses
from vipa.robot.state import GroundTruth
from vipa.tasks.checks.base import CheckResult, CheckState, Metres, SimCheck, Size, fraction, held, need_vector, result


@dataclass(frozen=True)
class AlignedParams:
    """object, opening: bodies of the scene. tip: (3,) metres, the end that shall go in, and along: (3,) from it into the object, both
    in the object's frame. rim: (3,) metres, centre of the opening's rim, and axis: (3,) out of the opening, both in its frame.

    radius: metres that the tip may lie off the axis. above: metres over the rim that it may be. angle: radians between the object
    and the axis. held: a finger touches the object.
    """

    object: str
    opening: str
    radius: Size
    above: Size
    angle: Annotated[float, Range(above=0, high=3.2)]
    tip: list[Metres] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    along: list[Metres] = field(default_factory=lambda: [0.0, 0.0, 1.0])
    rim: list[Metres] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    axis: list[Metres] = field(default_factory=lambda: [0.0, 0.0, 1.0])
    held: bool = True

    def __post_init__(self):
        for key in ("tip", "along", "rim", "axis"):
            need_vector(getattr(self, key), key)
        if not any(self.axis) or not any(self.along):
            raise ValueError("axis, along: must not be zero")


class Aligned(SimCheck):
    """The object's tip is over the opening or in it, near its axis, and the object stands along it."""

    name = "aligned"
    Params = AlignedParams

    def prepare(self, first: CheckState, truth: GroundTruth) -> None:
        self.need_body(truth, "object")
        self.need_body(truth, "opening")
        self._start = self._place(truth)[1]

    def _place(self, truth: GroundTruth) -> tuple[float, float, float]:
        """Height of the tip over the rim and its distance from the axis, metres, and the angle between object and axis."""
        p = self.params
        thing, opening = truth.poses[p.object], truth.poses[p.opening]
        axis = np.asarray(p.axis) / np.linalg.norm(p.axis)
        local = poses.transform(poses.inverse(opening), poses.transform(thing, p.tip)) - p.rim
        height = float(local @ axis)
        along = poses.directions(thing, np.asarray(p.along) / np.linalg.norm(p.along))
        cosine = float(along @ poses.directions(opening, axis))
        return height, float(np.linalg.norm(local - height * axis)), float(np.arccos(np.clip(cosine, -1.0, 1.0)))

    def measure(self, state: CheckState, truth: GroundTruth) -> CheckResult:
        p = self.params
        height, off, angle = self._place(truth)
        self._start = max(self._start, off)
        evidence = (
            f"{p.object} {1e3 * off:.0f} mm off the axis of {p.opening} (wants < {1e3 * p.radius:g} mm), {1e3 * height:.0f} mm over its "
            f"rim (wants < {1e3 * p.above:g} mm), {angle:.2f} rad from it (wants < {p.angle:g})"
        )
        met = off < p.radius and height < p.above and angle < p.angle
        if p.held and not held(state, p.object):
            met, evidence = False, f"{evidence}, not held"
        return result(met, fraction(off, self._start, p.radius), evidence)
