"""What numbers of a robot may be, as annotated types."""

from typing import Annotated

from vipa.config import Range

Point = Annotated[float, Range(-10, 10)]  # metres
Angle = Annotated[float, Range(-10, 10)]  # radians
Share = Annotated[float, Range(0, 1)]
Velocity = Annotated[float, Range(above=0, high=20)]  # rad/s or m/s
Acceleration = Annotated[float, Range(above=0, high=1000)]
Jerk = Annotated[float, Range(above=0, high=100_000)]
Latency = Annotated[float, Range(-1, 1)]  # seconds; negative: stamps that are early
