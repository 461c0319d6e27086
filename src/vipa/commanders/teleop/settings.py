"""How an arm is driven: speeds, steps, scale, frame and locked axes."""

from dataclasses import dataclass, field
from typing import Annotated

from vipa import config
from vipa.commanders.teleop.device import AXES
from vipa.config import Range
from vipa.errors import VipaError, unknown
from vipa.robot.description import Robot

FRAMES = ("base", "tool")  # and the name of any camera
GAINS = (0.125, 0.25, 0.5, 1.0)  # what `slower` and `faster` go through


@dataclass(frozen=True)
class Settings:
    """speed, turn: m/s and rad/s of a full deflection. step, turn_step: metres and radians of one key. scale: metres of the tool
    a metre of the device; turn_scale likewise of rotation. frame: base, tool or a camera's name: whose axes the person means.
    lock: axes that stand still. align: radians that a leader arm's joints may be off when it is engaged."""

    speed: Annotated[float, Range(0.005, 0.5)] = 0.15
    turn: Annotated[float, Range(0.02, 1.5)] = 0.6
    step: Annotated[float, Range(0.0005, 0.03)] = 0.01
    turn_step: Annotated[float, Range(0.002, 0.15)] = 0.05
    scale: Annotated[float, Range(0.05, 2.0)] = 1.0
    turn_scale: Annotated[float, Range(0.05, 1.0)] = 1.0
    frame: str = "base"
    lock: list[str] = field(default_factory=list)
    align: Annotated[float, Range(0.02, 0.3)] = 0.15

    @classmethod
    def of(cls, **values) -> "Settings":
        """From values that a user gave. Raises VipaError for one out of its range."""
        return config.build(values, cls, "teleop")

    def checked(self, robot: Robot) -> "Settings":
        """Itself. Raises VipaError for a frame or an axis that `robot` does not have."""
        if self.frame not in (allowed := frames(robot)):
            raise unknown(f"frame of robot '{robot.name}'", self.frame, allowed)
        for axis in self.lock:
            if axis not in AXES:
                raise unknown("axis to lock", axis, AXES)
        if len(set(self.lock)) == len(AXES):
            raise VipaError("lock: all six axes; allowed: five at most, or nothing moves")
        return self


def frames(robot: Robot) -> tuple[str, ...]:
    """What `frame` may be for `robot`."""
    return (*FRAMES, *(camera.name for camera in robot.cameras if camera.name not in FRAMES))
