"""Scripts of the expert, a module each, found by the name in the task file.

A module has `script`, a generator of goals for the robot's first arm, and perhaps `SUBTASKS`, the names of the sub-tasks that
it goes by; without it the script looks at the scene alone.
"""

from collections.abc import Callable

from vipa import named_modules
from vipa.commanders.expert.goal import Skill, View
from vipa.errors import VipaError, unknown
from vipa.tasks.task import Task

Script = Callable[[View], Skill]


def script_of(task: Task) -> Script:
    """The script that `task` names, by default that of its scene. Raises VipaError if there is none, or for a sub-task that it
    does not know."""
    try:
        module = named_modules.find(__name__, task.script, "script", "script of the expert")
        known = getattr(module, "SUBTASKS", None)
        for subtask in task.subtasks if known else ():
            if subtask.name not in known:
                raise unknown("sub-task", subtask.name, known)
    except VipaError as error:
        raise VipaError(f"expert: task '{task.name}': {error}") from None
    return module.script
