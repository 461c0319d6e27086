"""How a simulated arm follows its controllers, and where those begin: by default at once, exactly, as we ask of real ones."""

import dataclasses
from collections import deque
from dataclasses import dataclass

import numpy as np

from vipa.errors import VipaError, unknown
from vipa.robot.description import Robot

BOUNDS = {"lag": 0.5, "dead_time": 0.2, "velocity_noise": 0.5}  # of a value, from 0 on: what no arm exceeds


@dataclass(frozen=True)
class Following:
    """lag: seconds, of the first order, that joints are behind what is commanded. dead_time: seconds until a command has any
    effect. velocity_noise: rad/s (m/s), standard deviation of measured velocities. interpolate_from_desired_state: as
    JointTrajectoryController's parameter of that name, whose own default is false: a new trajectory starts from the state that
    is desired, or from the one that is measured.

    Raises VipaError for values outside 0 .. BOUNDS.
    """

    lag: float = 0.0
    dead_time: float = 0.0
    velocity_noise: float = 0.0
    interpolate_from_desired_state: bool = True

    def __post_init__(self):
        for key, bound in BOUNDS.items():
            if not 0 <= getattr(self, key) <= bound:  # also what is no number
                raise VipaError(f"following: {key} {getattr(self, key)}; allowed: 0 .. {bound:g}")


def parse(text: str) -> Following:
    """Following from "lag=0.03,dead_time=0.01,velocity_noise=0.002,interpolate_from_desired_state=false"; '': the default.

    Raises VipaError that names the key and what is allowed.
    """
    values: dict[str, float | bool] = {}
    keys = {f.name: f.type for f in dataclasses.fields(Following)}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        if key not in keys or key in values:
            raise unknown("key of following (each once)", key, keys)
        try:
            values[key] = float(value) if keys[key] is float else {"true": True, "false": False}[value]
        except (ValueError, KeyError):
            raise VipaError(
                f"following: {key}={value}; allowed: {'a number' if keys[key] is float else 'true or false'}"
            ) from None
    return Following(**values)


def asked(text: str) -> Following | None:
    """`parse(text)`; None for "": nothing was asked for. Raises VipaError."""
    return parse(text) if text else None


def of_robot(robot: Robot) -> Following:
    """As late as the robot file says that its arms are: the largest `command_latency` as a lag, which is that delay for slow motions."""
    lag = max((group.command_latency for group in robot.groups), default=0.0)
    return Following(lag=min(max(lag, 0.0), BOUNDS["lag"]))


class Follower:
    """What reaches a servo of what its controller commands: late by the dead time, smoothed by the lag. step: seconds a row."""

    def __init__(self, following: Following, step: float):
        self._rows = round(following.dead_time / step)
        self._share = 1.0 - np.exp(-step / following.lag) if following.lag > 0 else 1.0
        self._late: deque[np.ndarray] = deque()

    def reset(self, row: np.ndarray) -> None:
        """`row` (n,) was commanded for ever."""
        self._late = deque([row.copy()] * self._rows)
        self._value = row.copy()

    def follow(self, row: np.ndarray) -> np.ndarray:
        """What the servo gets (n,) in the step in which `row` (n,) is commanded."""
        if self._rows:
            self._late.append(row)
            row = self._late.popleft()
        late = row
        self._value = late if self._share == 1.0 else self._value + self._share * (late - self._value)
        return self._value
