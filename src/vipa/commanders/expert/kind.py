"""The expert as a kind of commander."""

from vipa.commanders.kind import CommanderKind, CommanderRequest
from vipa.robot.description import Robot
from vipa.tasks.task import Task


class ExpertKind(CommanderKind):
    """A scripted episode from ground truth."""

    form = "'expert' (scripted; simulation only)"
    commander_id = executable = "expert"
    wants_truth = True

    def names(self) -> list[str]:
        return ["expert"]

    def matches(self, name: str) -> bool:
        return name == "expert"

    def parameters(self, request: CommanderRequest):
        return {"seed": request.seed, "noise": request.noise} if request.noise else {}

    def make(self, request: CommanderRequest, robot: Robot, task: Task):
        from vipa.commanders.expert.commander import Expert

        return Expert(robot, task, request.seed, request.noise)
