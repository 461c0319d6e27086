"""Scripts of the expert, a module each, found by the name in the task file.

A module has `script`, a generator of goals for one group as that group's view sees the world; and perhaps `parts`, which says of a
robot what each group plays, by its name: without it the first arm plays the script alone; and perhaps `SUBTASKS`, the names of the
sub-tasks that it goes by: without it the script looks at the scene alone.
"""

from collections.abc import Callable

from vipa import named_modules
from vipa.commanders.expert.goal import Skill
from vipa.commanders.expert.view import View
from vipa.errors import VipaError, unknown
from vipa.robot.description import Robot
from vipa.tasks.task import Task

Script = Callable[[View], Skill]


def scripts_of(task: Task, robot: Robot) -> dict[str, Script]:
    """The scripts that `robot` plays in `task`, by the name of the group that each moves: of the module that the task names, by
    default that of its scene. Raises VipaError if there is none, or for a sub-task that it does not know."""
    try:
        module = named_modules.find(__name__, task.script, "script", "script of the expert")
        known = getattr(module, "SUBTASKS", None)
        for subtask in task.subtasks if known else ():
            if subtask.name not in known:
                raise unknown("sub-task", subtask.name, known)
    except VipaError as error:
        raise VipaError(f"expert: task '{task.name}': {error}") from None
    if hasattr(module, "parts"):
        return module.parts(robot)
    return {robot.arms[0].name: module.script}
