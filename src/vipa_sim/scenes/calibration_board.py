"""A table with a ChArUco board, lying on it or held by a hand, to calibrate the cameras of a simulated cell.

Bodies (ground truth poses, world frame): `calibration_board`: origin in its middle, x along the columns, y down the rows, z away from who
looks at it. Nothing moves by itself, and nothing is scored but by a person.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import mujoco
import numpy as np

from vipa.calibration.board import Board
from vipa.errors import VipaError
from vipa.robot.quantities import check_vectors
from vipa.tasks.task import Task
from vipa_sim import geometry, tabletop, textures
from vipa_sim.objects.board import add_board
from vipa_sim.placement_ik import Reach
from vipa_sim.scenes import Light, Metres, check_light, pick, rgba
from vipa_sim.snapshot import Appearance

NAME = "calibration_board"


@dataclass(frozen=True)
class Ranges:
    """link: what carries the board, "world" or a link. position (3,) metres, rpy (3,) radians: the board's frame in it. board: which.
    light: factor on the light."""

    link: str = "world"
    position: list[Metres] = field(default_factory=lambda: [0.5, 0.0, 0.002])
    rpy: list[Metres] = field(default_factory=lambda: [3.1416, 0.0, 0.0])
    board: Board = field(default_factory=Board)
    light: list[Light] = field(default_factory=lambda: [0.92, 1.06])

    def __post_init__(self):
        check_vectors("", position=self.position, rpy=self.rpy)
        check_light(self.light)


class Scene:
    """See the module."""

    bodies = (NAME,)
    materials: ClassVar[dict[str, str]] = {}

    def __init__(self, task: Task):
        self._task, self._ranges = task, pick(task, Ranges)

    def build(self, spec: mujoco.MjSpec) -> None:
        r = self._ranges
        textures.add_texture(spec, "wood", textures.wood())
        textures.add_material(spec, "table_top", [0.72, 0.52, 0.34, 1], "wood")
        tabletop.add_table(spec, "table_top")
        parent = spec.worldbody if r.link == "world" else spec.body(r.link)
        if parent is None:
            raise VipaError(
                f"task {self._task.name}: randomisation: link '{r.link}' is no link; allowed: world, {', '.join(b.name for b in spec.bodies)}"
            )
        body = parent.add_body(name=NAME, pos=r.position, quat=geometry.matrix_quat(geometry.rpy_matrix(r.rpy)))
        add_board(body, spec, r.board)

    def place(
        self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, reach: dict[str, Reach]
    ) -> None:
        """The board is where the task file puts it."""

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Nothing changes."""

    def appearance(self, variant: dict, rng: np.random.Generator) -> Appearance:
        return Appearance(
            materials={"table_top": rgba(variant, "table", (0.72, 0.52, 0.34))},
            light=float(rng.uniform(*self._ranges.light)),
        )

    def look(self, appearance: Appearance, data: mujoco.MjData) -> Appearance:
        return appearance

    def scalars(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, float]:
        return {}
