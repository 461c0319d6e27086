"""The one interface over all makes of robot: is it ready, is it stopped by hardware, what leads back to ready."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

ACTIVE = "active"
OWN = ("franky",)  # drivers that are nodes of ours, controller and all; the others are asked through ros2_control


@dataclass(frozen=True)
class DriverState:
    """ready: it executes commands. estop: stopped by hardware. mode: its driver's word. message: why it is not ready."""

    ready: bool
    estop: bool
    mode: str
    message: str = ""


class Driver(Protocol):
    """A make of robot. Its readings are set by whoever hears it."""

    def state(self) -> DriverState:
        """By the newest readings. Not ready before the first."""

    def recovery(self) -> str:
        """The next request that leads towards ready: a name its adapter knows, '' if there is none: it is ready, or a person
        has to do something, as `state().message` says."""


def with_controllers(state: DriverState, controllers: Mapping[str, str] | None, wanted: Sequence[str]) -> DriverState:
    """`state`, not ready unless all `wanted` controllers are active. controllers: name to ros2_control's state; None: unknown."""
    if not state.ready:
        return state
    if controllers is None:
        return replace(state, ready=False, message="controller_manager does not answer")
    idle = [f"{name} is {controllers.get(name, 'not loaded')}" for name in wanted if controllers.get(name) != ACTIVE]
    return replace(state, ready=not idle, message="; ".join(idle))


def with_starts(state: DriverState, desired: Mapping[str, bool], wanted: Sequence[str]) -> DriverState:
    """`state`, not ready unless all `wanted` controllers begin a trajectory at their desired state. desired: what they say of it."""
    if not state.ready:
        return state
    wrong = [
        f"{name}: interpolate_from_desired_state is {'false' if name in desired else 'not known yet'}; allowed: true"
        for name in wanted
        if not desired.get(name)
    ]
    return replace(state, ready=not wrong, message="; ".join(wrong))


class NoDriver:
    """A robot without a controller of its own that could be asked: a simulated one."""

    def state(self) -> DriverState:
        return DriverState(True, False, "none")

    def recovery(self) -> str:
        return ""
