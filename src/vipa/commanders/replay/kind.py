"""A recorded episode as a kind of commander."""

from pathlib import Path

from vipa.commanders.kind import CommanderKind, CommanderRequest
from vipa.robot.description import Robot
from vipa.tasks.task import Task

PREFIX = "replay:"


class ReplayKind(CommanderKind):
    """`replay:RUN`: the motion of a run folder."""

    form = "replay:RUN (a run folder, done again)"
    commander_id = executable = "replay"

    def matches(self, name: str) -> bool:
        return name.startswith(PREFIX)

    def check(self, request: CommanderRequest, robot: Robot, task: Task) -> str:
        """Refuses a folder without motion of this robot."""
        self._recorded(request, robot)
        return ""

    def parameters(self, request: CommanderRequest):
        return {"run": str(Path(request.name.removeprefix(PREFIX)).resolve())}

    def make(self, request: CommanderRequest, robot: Robot, task: Task):
        from vipa.commanders.replay.commander import Replay

        return Replay(robot, self._recorded(request, robot))

    def _recorded(self, request: CommanderRequest, robot: Robot):
        from vipa.commanders.replay.recorded import read_recorded

        return read_recorded(Path(request.name.removeprefix(PREFIX)), robot)
