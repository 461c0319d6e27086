"""A foot pedal (`evdev`; pedals are keyboards with a few keys): the deadman of a device that has none, as `--pedal`."""

from dataclasses import dataclass
from typing import Annotated

from vipa.commanders.teleop.device import DeviceInput
from vipa.commanders.teleop.devices._evdev import EventDevice, events_of
from vipa.config import Range


@dataclass(frozen=True)
class Options:
    """path: /dev/input/event… or part of the pedal's name. hold, mark, success: codes of its pedals' keys (linux/input-event-codes.h;
    a, b, c by default, as pedals of three come)."""

    path: str = "pedal"
    hold: Annotated[int, Range(1, 767)] = 30
    mark: Annotated[int, Range(1, 767)] = 48
    success: Annotated[int, Range(1, 767)] = 46


class Pedal:
    """Hold to move. By itself it moves nothing; see `Held`."""

    name, deadman = "pedal", True
    keys = (("pedal", "hold to move"), ("second", "mark"), ("third", "success"))

    def __init__(self, options: Options):
        self.options = options
        self.events = EventDevice(self.name, options.path, (options.hold,))

    def open(self, changed) -> None:
        self.events.open(changed)

    @property
    def held(self) -> bool:
        """It is held, and its link is there."""
        return not self.events.state.lost and self.options.hold in self.events.state.held

    def read(self, now: float) -> DeviceInput:
        state = self.events.state
        table = {self.options.mark: "mark", self.options.success: "success"}
        return DeviceInput({}, events_of(state.pressed, table), state.lost)

    def close(self) -> None:
        self.events.close()


def make(options: Options) -> Pedal:
    """A pedal, not open yet."""
    return Pedal(options)
