"""Learned policies as kinds of commander: a checkpoint that runs here, and one that somebody serves."""

from vipa import resources
from vipa.commanders.kind import CommanderKind, CommanderRequest
from vipa.errors import VipaError
from vipa.robot.description import Robot
from vipa.serving.address import is_remote
from vipa.tasks.task import Task


class CheckpointKind(CommanderKind):
    """A VIPA-VLA checkpoint, run by the node itself."""

    form = "a checkpoint (folder with config.json, or name in config/policies/)"
    commander_id = executable = "policy"
    wants_cameras = reusable = True

    def names(self) -> list[str]:
        return resources.checkpoints()

    def matches(self, name: str) -> bool:
        return (resources.checkpoint(name) / "config.json").is_file()

    def check(self, request: CommanderRequest, robot: Robot, task: Task) -> str:
        """Refuses an instruction that does not fit into the checkpoint's prompt. Loads no weights."""
        from vipa_model.processing.processing_vipa import VipaProcessor

        try:
            processor = VipaProcessor.from_pretrained(resources.checkpoint(request.name))
            processor.prompt(task.instruction, len(processor.cameras))
        except (OSError, ValueError, KeyError) as error:
            raise VipaError(f"policy '{request.name}': {error}") from None
        return ""

    def parameters(self, request: CommanderRequest):
        options = request.inference
        return {
            "checkpoint": str(resources.checkpoint(request.name).resolve()),
            "runtime": options.runtime,
            "precision": options.precision,
            "device": options.device,
            **_delay(request),
        }

    def make(self, request: CommanderRequest, robot: Robot, task: Task):
        from vipa.commanders.policy.commander import PolicyCommander, load_policy

        return PolicyCommander(robot, load_policy(request.name, request.inference))


class ServedKind(CommanderKind):
    """A policy behind a socket: `vipa serve`, openpi, GR00T."""

    form = "NAME@HOST[:PORT] (served)"
    commander_id = executable = "policy"
    wants_cameras = reusable = True

    def matches(self, name: str) -> bool:
        return is_remote(name)

    def check(self, request: CommanderRequest, robot: Robot, task: Task) -> str:
        """Asks the server whether it is there, fits `robot` and takes the task's instruction: its checkpoint's hash, "" if it does not
        say."""
        print(f"asking {request.name} a first question", flush=True)
        commander = self.make(request, robot, task)
        commander.close()
        return commander.sha256 or ""

    def parameters(self, request: CommanderRequest):
        return {"remote": request.name, **_delay(request)}

    def make(self, request: CommanderRequest, robot: Robot, task: Task):
        from vipa.commanders.policy.remote import connect  # Pinocchio and sockets, for these policies alone

        return connect(robot, request.name, task.instruction)


def _delay(request: CommanderRequest) -> dict:
    return {"delay": request.delay} if request.delay else {}
