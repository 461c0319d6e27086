"""Scripts of the expert, a module each, found by the name in the task file.

A module has `script`, a generator of goals for one group as that group's view sees the world; and perhaps `parts`, which says of a
robot what each group plays, by its name: without it the first arm plays the script alone; and perhaps `SUBTASKS`, the names of the
sub-tasks that it goes by: without it the script looks at the scene alone; and perhaps `GRASPS`, by name, dataclasses that say how a
parallel hand takes what it handles: for another hand the task file says what differs (`hands`).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from vipa import config, named_modules
from vipa.commanders.expert.goal import Skill
from vipa.commanders.expert.view import View
from vipa.errors import VipaError, unknown
from vipa.robot.description import Group, Robot
from vipa.tasks.task import Task

Script = Callable[[View], Skill]


def scripts_of(task: Task, robot: Robot) -> dict[str, Script]:
    """The scripts that `robot` plays in `task`, by the name of the group that each moves: of the module that the task names, by
    default that of its scene. Raises VipaError if there is none, or for a sub-task that it does not know."""
    try:
        module = _module(task)
        known = getattr(module, "SUBTASKS", None)
        for subtask in task.subtasks if known else ():
            if subtask.name not in known:
                raise unknown("sub-task", subtask.name, known)
    except VipaError as error:
        raise VipaError(f"expert: task '{task.name}': {error}") from None
    if hasattr(module, "parts"):
        return module.parts(robot)
    return {robot.arms[0].name: module.script}


def grasps_of(task: Task, group: Group) -> dict[str, Any]:
    """How the hand of `group` takes what the task's script handles, by name. Raises VipaError where neither the script nor the task file
    says so, or the task file says something else."""
    kind = group.hand.kind if group.hand else "parallel"
    if kind != "parallel" and kind not in task.hands:
        known = ", ".join(["parallel", *task.hands])
        raise VipaError(f"expert: task '{task.name}': hands: group '{group.name}' has a {kind} hand; allowed: {known}")
    return grasps_by(task, kind)


def grasps_by(task: Task, kind: str) -> dict[str, Any]:
    """How a hand of `kind`, which the task file names unless it is parallel, takes what the task's script handles, by name. Raises VipaError
    for what the task file says of it and the script does not know, or out of range."""
    grasps = getattr(_module(task), "GRASPS", {})
    if kind == "parallel":
        return grasps
    where = f"expert: task '{task.name}': hands: {kind}"
    differs = task.hands[kind]
    if stray := [name for name in differs if name not in grasps]:
        raise unknown(f"{where}: grasp", stray[0], grasps)
    return {
        name: config.build(_plain(grasp) | differs.get(name, {}), type(grasp), f"{where}: {name}")
        for name, grasp in grasps.items()
    }


def _plain(value) -> dict:
    """A grasp's values as a file has them."""
    return {f.name: list(v) if isinstance(v := getattr(value, f.name), tuple) else v for f in dataclasses.fields(value)}


def _module(task: Task):
    return named_modules.find(__name__, task.script, "script", "script of the expert")
