"""A person with a device as a kind of commander."""

from vipa.commanders.kind import CommanderKind, CommanderRequest
from vipa.commanders.teleop import devices
from vipa.errors import VipaError
from vipa.robot.description import Robot
from vipa.tasks.task import Task

PREFIX = "teleop:"


class TeleopKind(CommanderKind):
    """A person drives: `teleop:DEVICE`, with the device's options after a comma."""

    form = "teleop:DEVICE[,option=value…] (a person; over the graph)"
    commander_id = executable = "teleop"
    real_time = True

    def matches(self, name: str) -> bool:
        return name.startswith(PREFIX)

    def names(self) -> list[str]:
        return [f"{PREFIX}{name}" for name in devices.names()]

    def check(self, request: CommanderRequest, robot: Robot, task: Task) -> str:
        """Refuses devices and options that there are none of."""
        name, options = parts(request.name)
        devices.make(name, options)
        if name == "terminal":
            raise VipaError(
                "policy 'teleop:terminal': an episode's terminal is its own; use `vipa teleop --device terminal`"
            )
        return ""

    def parameters(self, request: CommanderRequest):
        name, options = parts(request.name)
        return {"device": name, "options": options}

    def make(self, request: CommanderRequest, robot: Robot, task: Task):
        raise VipaError(
            f"policy '{request.name}': a person drives in real time; allowed: over the graph, not in-process"
        )


def parts(name: str) -> tuple[str, str]:
    """Device and options of "teleop:DEVICE,option=value"."""
    device, _, options = name.removeprefix(PREFIX).partition(",")
    return device, options
