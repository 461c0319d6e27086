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


def check_vectors(what: str, **vectors: list[float]) -> None:
    """Raises ValueError unless each of the named `vectors` of `what` ("" or words before a colon) has three numbers."""
    if any(len(vector) != 3 for vector in vectors.values()):
        *names, last = vectors
        raise ValueError(f"{what}{what and ': '}{', '.join(names)} and {last} want three numbers each")
