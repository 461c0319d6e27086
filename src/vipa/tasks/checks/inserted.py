"""The check that one thing stands in the opening of another."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from vipa.config import Range
from vipa.geometry import poses
from vipa.robot.state import GroundTruth
from vipa.tasks.checks.base import (
    CheckResult,
    CheckState,
    Metres,
    SimCheck,
    Size,
    fraction,
    held,
    need_vector,
    result,
)


@dataclass(frozen=True)
class InsertedParams:
    """object, opening: bodies of the scene. tip: (3,) metres, the end that goes in, object frame. rim: (3,) metres, centre
    of the opening's rim, and axis: (3,) direction out of the opening, both in the opening's frame.

    depth: metres that the tip must lie below the rim. radius: metres that it may lie off the axis. released: no finger
    touches the object. upright: radians that the opening's axis may lean from the vertical.
    """

    object: str
    opening: str
    depth: Size
    radius: Size
    tip: list[Metres] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    rim: list[Metres] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    axis: list[Metres] = field(default_factory=lambda: [0.0, 0.0, 1.0])
    released: bool = False
    upright: Annotated[float, Range(above=0, high=3.2)] = 3.2

    def __post_init__(self):
        for key in ("tip", "rim", "axis"):
            need_vector(getattr(self, key), key)
        if not any(self.axis):
            raise ValueError("axis: must not be zero")


class Inserted(SimCheck):
    """The object's tip lies below the rim, close to the opening's axis."""

    name = "inserted"
    Params = InsertedParams

    def prepare(self, first: CheckState, truth: GroundTruth) -> None:
        self.need_body(truth, "object")
        self.need_body(truth, "opening")
        self._start = self._place(truth)[0]

    def _place(self, truth: GroundTruth) -> tuple[float, float]:
        """Depth of the tip below the rim and its distance from the axis, metres."""
        p = self.params
        tip = poses.transform(truth.poses[p.object], p.tip)
        local = poses.transform(poses.inverse(truth.poses[p.opening]), tip) - p.rim
        axis = np.asarray(p.axis) / np.linalg.norm(p.axis)
        height = float(local @ axis)
        return -height, float(np.linalg.norm(local - height * axis))

    def measure(self, state: CheckState, truth: GroundTruth) -> CheckResult:
        p = self.params
        depth, off = self._place(truth)
        self._start = min(self._start, depth)
        evidence = (
            f"{p.object} {1e3 * depth:.0f} mm in {p.opening} (wants > {1e3 * p.depth:g} mm), "
            f"{1e3 * off:.0f} mm off its axis (wants < {1e3 * p.radius:g} mm)"
        )
        let_go = not (p.released and held(state, p.object))
        if not let_go:
            evidence += ", still held"
        axis = poses.directions(truth.poses[p.opening], np.asarray(p.axis) / np.linalg.norm(p.axis))
        stands = float(np.arccos(np.clip(axis[2], -1.0, 1.0))) < p.upright
        if not stands:
            evidence += f", {p.opening} leans"
        return result(
            depth > p.depth and off < p.radius and let_go and stands, fraction(depth, self._start, p.depth), evidence
        )
