"""Every kind of commander, in one table. A new one is a `CommanderKind` in its own room and a row here."""

from vipa.commanders.commander import Commander
from vipa.commanders.expert.kind import ExpertKind
from vipa.commanders.kind import CommanderKind, CommanderRequest
from vipa.commanders.policy.kinds import CheckpointKind, ServedKind
from vipa.commanders.replay.kind import ReplayKind
from vipa.commanders.teleop.kind import TeleopKind
from vipa.errors import VipaError, meant
from vipa.robot.description import Robot
from vipa.tasks.task import Task

KINDS: tuple[CommanderKind, ...] = (
    ExpertKind(),
    ServedKind(),
    CheckpointKind(),
    TeleopKind(),
    ReplayKind(),
)  # the first that matches counts
DEFAULT = "expert"
HELP = ", or ".join(kind.form for kind in KINDS)


def kind_of(name: str) -> CommanderKind:
    """The kind of the commander `name`, as given to `--policy`. Raises VipaError that lists what exists."""
    for kind in KINDS:
        if kind.matches(name):
            return kind
    here = [known for kind in KINDS for known in kind.names()]
    raise VipaError(f"unknown policy '{name}'{meant(name, here)}; names here: {', '.join(here)}; allowed: {HELP}")


def make(request: CommanderRequest, robot: Robot, task: Task) -> Commander:
    """The commander that `request` asks for, in this process. Raises VipaError."""
    return kind_of(request.name).make(request, robot, task)
