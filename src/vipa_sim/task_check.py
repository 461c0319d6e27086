"""Whether a task can begin with its robot: what an episode does before anything moves, of every variant."""

from vipa.robot.description import Robot
from vipa.tasks.checks import CheckState
from vipa.tasks.scorer import EpisodeScorer
from vipa.tasks.task import Task
from vipa_sim.cell import SimCell


def check(task: Task, robot: Robot, seed: int = 0) -> None:
    """Builds the scene, draws it by `seed` in each variant, and lets every check look for what it names.

    Raises VipaError: the scene does not build, has a body that cameras do not see, finds no place in reach; a check names a body or
    a scalar that the scene does not have.
    """
    cell = SimCell(robot, task, cameras=())
    for variant in task.variants:
        cell.reset(seed, variant)
        EpisodeScorer(task).setup(CheckState(cell.stamp_ns, cell.truth(), fingers=robot.fingers))
