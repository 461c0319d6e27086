"""What the rest of the stack has to know of a kind of commander before there is one."""

from dataclasses import dataclass

from vipa.commanders.commander import Commander
from vipa.commanders.inference import BEST_FIT, InferenceOptions
from vipa.robot.description import Robot
from vipa.tasks.task import Task


@dataclass(frozen=True)
class CommanderRequest:
    """The commander that a user asks for.

    Args:
        name: as given to `--policy`; whatever a kind wants to know besides stands in it (an address, a file).
        inference: how a checkpoint runs.
        seed: of a scripted commander's disturbances.
        noise: metres, standard deviation of those disturbances.
        delay: seconds of ROS time from what a policy sees until its answer is sent, at least.
    """

    name: str
    inference: InferenceOptions = BEST_FIT
    seed: int = 0
    noise: float = 0.0
    delay: float = 0.0


class CommanderKind:
    """One kind of commander: a row of `vipa.commanders.registry`. Nothing heavy is imported before `check` or `make`.

    Attributes:
        form: how a user names it, for help and error messages.
        commander_id: its name in chunks, authority and scorecards, and its node's name.
        executable: module of `vipa_ros.nodes` that runs it in the graph.
        wants_cameras: it acts on observations, so its answers come as late as its inference takes.
        wants_truth: it acts on ground truth, which only a simulated cell has.
        real_time: a person drives, who cannot be simulated faster or slower: over the graph alone.
        reusable: one object serves episode after episode, whatever their seed: models and connections are dear.
    """

    form: str
    commander_id: str
    executable: str
    wants_cameras = False
    wants_truth = False
    real_time = False
    reusable = False

    def matches(self, name: str) -> bool:
        """Whether `name` asks for this kind. Touches no network."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """Names that exist on this machine, for error messages."""
        return []

    def check(self, request: CommanderRequest, robot: Robot, task: Task) -> str:
        """Refuses what cannot run, before any process is started.

        Returns:
            SHA-256 of the checkpoint, where only the commander can tell (a served one); else "".

        Raises:
            VipaError: what is missing or does not fit robot or task.
        """
        return ""

    def parameters(self, request: CommanderRequest) -> dict[str, str | int | float | bool]:
        """Parameters of its node besides `robot`, `task` and `use_sim_time`."""
        return {}

    def make(self, request: CommanderRequest, robot: Robot, task: Task) -> Commander:
        """The commander itself, in this process.

        Raises:
            VipaError: it does not fit `robot` or `task`, or cannot run in this process.
        """
        raise NotImplementedError
