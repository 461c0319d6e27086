"""Fixtures: static boxes that the arms keep clear of."""

from dataclasses import dataclass, field
from typing import Annotated

from vipa.config import Range
from vipa.robot.quantities import check_vectors

Place = Annotated[float, Range(-100, 100)]  # metres
Length = Annotated[float, Range(above=0, high=100)]  # metres
Angle = Annotated[float, Range(-10, 10)]  # radians


@dataclass(frozen=True)
class Fixture:
    """A static box that the arm must keep clear of: position (3,) of its centre, rpy (3,), size (3,) full edge lengths,
    world frame, metres and radians. The simulated cell builds the very same box."""

    name: str
    position: list[Place]
    size: list[Length]
    rpy: list[Angle] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def __post_init__(self):
        check_vectors(f"fixture {self.name}", position=self.position, size=self.size, rpy=self.rpy)
