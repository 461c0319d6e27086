"""The one interface over all makes of robot: is it ready, is it stopped by hardware, what leads back to ready."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from vipa.drivers.controllers import Controller, controller_faults, parameter_faults

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


def with_controllers(
    state: DriverState, controllers: Mapping[str, Controller] | None, wanted: Mapping[str, Sequence[str]]
) -> DriverState:
    """`state`, not ready unless all `wanted` controllers are active, trajectory controllers, and of the wanted joints. controllers:
    by name; None: unknown. wanted: their joints, by name."""
    if not state.ready:
        return state
    if controllers is None:
        return replace(state, ready=False, message="controller_manager does not answer")
    faults = controller_faults(controllers, wanted)
    return replace(state, ready=not faults, message="; ".join(faults))


def with_parameters(
    state: DriverState, known: Mapping[str, Mapping[str, object]], wanted: Collection[str]
) -> DriverState:
    """`state`, not ready unless motion can command all `wanted` controllers with their parameters. known: what they say of them."""
    if not state.ready:
        return state
    faults = [fault for name in wanted for fault in parameter_faults(name, known.get(name))]
    return replace(state, ready=not faults, message="; ".join(faults))


class NoDriver:
    """A robot without a controller of its own that could be asked: a simulated one."""

    def state(self) -> DriverState:
        return DriverState(True, False, "none")

    def recovery(self) -> str:
        return ""
