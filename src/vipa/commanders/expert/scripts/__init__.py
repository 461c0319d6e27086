"""Scripts by scene: what the expert plays, whatever the task that is set in the scene is called."""

from collections.abc import Callable

from vipa.commanders.expert.goal import Skill, View
from vipa.commanders.expert.scripts.put_three_obj import SUBTASKS, put_three_obj
from vipa.commanders.expert.scripts.water_plant import water_plant
from vipa.errors import VipaError, unknown
from vipa.tasks.task import Task

Script = Callable[[View], Skill]
# scene → script and the sub-tasks that it goes by, by name; None: it looks at the scene alone
SCRIPTS: dict[str, tuple[Script, tuple[str, ...] | None]] = {
    "put_three_obj": (put_three_obj, SUBTASKS),
    "water_plant": (water_plant, None),
}


def script_of(task: Task) -> Script:
    """The script of the scene of `task`. Raises VipaError if there is none, or for a sub-task that it does not know."""
    if task.scene not in SCRIPTS:
        raise VipaError(f"expert: task '{task.name}': {unknown('scene', task.scene, SCRIPTS)}")
    script, known = SCRIPTS[task.scene]
    for subtask in task.subtasks if known else ():
        if subtask.name not in known:
            raise VipaError(f"expert: task '{task.name}': {unknown('sub-task', subtask.name, known)}")
    return script
