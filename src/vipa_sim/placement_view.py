"""How a robot's cameras would see a scene card: what a person at a real cell is to rebuild."""

from dataclasses import replace

import numpy as np

from vipa.evaluation.placement import Wanted
from vipa.robot.description import Robot
from vipa.tasks.task import Task
from vipa_sim.cell import SimCell
from vipa_sim.render import Renderer

AWAY_M = 50.0  # metres: where things are moved to see the scene without them
CLOSER = 4  # millimetres by which a thing must be in front of what is behind it


def placements(robot: Robot, task: Task, seed: int, variant: str) -> dict[str, Wanted]:
    """Of each camera of the task what it would see. Movable things are told from the rest by the depth with and without them.

    Raises VipaError for a task without a simulated scene.
    """
    cell = SimCell(robot, task, fixed_cameras=True)
    cell.reset(seed, variant)
    renderer = Renderer(cell, pictures=True)
    try:
        full = cell.snapshot()
        empty = replace(full, qpos=_without(cell, full.qpos))
        found = {}
        for name in cell.cameras:
            seen, behind = renderer.frame(full, name), renderer.frame(empty, name)
            back = np.where(behind.depth == 0, 65_535, behind.depth).astype(np.int32)
            found[name] = Wanted(seen.color, (seen.depth > 0) & (back - seen.depth > CLOSER))
        return found
    finally:
        renderer.close()


def _without(cell: SimCell, qpos: np.ndarray) -> np.ndarray:
    """`qpos` (nq,) with every free body far away."""
    moved, model = qpos.copy(), cell.model
    for joint in range(model.njnt):
        if model.jnt_type[joint] == 0:  # free
            moved[model.jnt_qposadr[joint]] += AWAY_M
    return moved
