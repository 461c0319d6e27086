"""Arrangements of a task's things as alignment data has them, drawn without a picture."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.alignment.arrangement import Arranger
from vipa_sim.alignment.things import Vocabulary, vocabulary
from vipa_sim.cell import SimCell


@contextmanager
def arrangements(task: str, seeds: int, each: int, look=lambda scene, cell: scene) -> Iterator[tuple[Vocabulary, list]]:
    """(vocabulary, what `look(arrangement, cell)` makes of each): `each` of every seed below `seeds`, looked at when it is drawn."""
    described = load_task(task)
    cell = SimCell(load_robot(described.robot), described)
    words = vocabulary(described, cell.scene.bodies)
    arranger, found = Arranger(cell, words), []
    for seed in range(seeds):
        arranger.begin(seed)
        rng = np.random.default_rng(seed)
        found += [look(arranger.draw(rng), cell) for _ in range(each)]
    try:
        yield words, found
    finally:
        arranger.close()
