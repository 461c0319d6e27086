"""Scenes by name: each module here has a class `Scene` that builds on a MuJoCo specification and randomises it."""

import dataclasses
from typing import Annotated, Protocol

import mujoco
import numpy as np

from vipa import config, named_modules
from vipa.config import Range
from vipa.errors import VipaError
from vipa.tasks.task import Task
from vipa_sim.placement_ik import Reach
from vipa_sim.snapshot import Appearance

Metres = Annotated[float, Range(-10, 10)]
Gap = Annotated[float, Range(0, 10)]  # metres
Turn = Annotated[float, Range(0, np.pi)]  # radians
Light = Annotated[float, Range(above=0, high=10)]  # factor


class Scene(Protocol):
    """A scene of one task.

    bodies: names of the bodies whose poses are ground truth. materials: fixture name → material of the boxes to be seen. A scene may
    have `arranged(model, data)` as well, called when bodies were put somewhere without physics, before they are seen there.
    """

    bodies: tuple[str, ...]
    materials: dict[str, str]

    def __init__(self, task: Task):
        """Raises VipaError if the task's fixtures or ranges do not fit the scene."""

    def build(self, spec: mujoco.MjSpec) -> None:
        """Add materials, movable bodies, joints and decoration. The fixtures are there already."""

    def place(
        self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, reach: dict[str, Reach]
    ) -> None:
        """Draw initial poses into `data.qpos`: apart from each other, reachable, at rest. reach: of every arm by its name, in the
        robot's order. Raises VipaError if none fits."""

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """A tick is over: what changes beside the physics (ink that is wiped)."""

    def appearance(self, variant: dict, rng: np.random.Generator) -> Appearance:
        """The look of `variant` (its parameters in the task file). Raises VipaError for unknown parameters."""

    def look(self, appearance: Appearance, data: mujoco.MjData) -> Appearance:
        """The look at this moment, for scenes in which something shows; the same object while nothing changes."""

    def scalars(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, float]:
        """Ground truth that is no pose."""


def load_scene(task: Task) -> Scene:
    """The scene that `task` names. Raises VipaError that lists what exists."""
    scene = named_modules.find(__name__, task.scene, "Scene", f"scene (task {task.name})").Scene(task)
    for name, variant in task.variants.items():
        try:
            scene.appearance(variant, np.random.default_rng(0))
        except VipaError as error:
            raise VipaError(f"task {task.name}: variants: {name}: {error}") from None
    return scene


def first_arm(reach: dict[str, Reach]) -> Reach:
    """That of the arm which plays where one does."""
    return next(iter(reach.values()))


def pick(task: Task, ranges: type):
    """`task.randomisation` as the dataclass `ranges`, which has the defaults. Raises VipaError."""
    return config.build(task.randomisation, ranges, f"task {task.name}: randomisation")


def with_ranges(task: Task) -> Task:
    """`task` with every range of its scene in `randomisation`: what its file leaves out is the scene's default (its module's `Ranges`).
    Raises VipaError."""
    module = named_modules.find(__name__, task.scene, "Scene", f"scene (task {task.name})")
    if not hasattr(module, "Ranges"):
        return task
    return dataclasses.replace(task, randomisation=dataclasses.asdict(pick(task, module.Ranges)))


def check_span(key: str, low: list[float], high: list[float]) -> None:
    """ValueError unless `low` and `high` are of two numbers each, none of `low` above that of `high`."""
    if len(low) != 2 or len(high) != 2 or any(a > b for a, b in zip(low, high)):
        raise ValueError(f"{key}: {low} to {high}; allowed: two numbers each, from low to high")


def check_light(light: list[float]) -> None:
    """ValueError unless `light` is two factors, the first not above the second."""
    if len(light) != 2 or light[0] > light[1]:
        raise ValueError(f"light: {light}; allowed: two factors, from low to high")


def rgba(variant: dict, key: str, default) -> tuple[float, float, float, float]:
    """Colour `key` of a variant (RGB 0..1) as RGBA. Raises VipaError if it is no colour."""
    value = variant.get(key, default)
    if (
        not isinstance(value, (list, tuple))
        or len(value) != 3
        or not all(isinstance(v, (int, float)) and 0 <= v <= 1 for v in value)
    ):
        raise VipaError(f"variant: {key}: expected three numbers 0..1, got {value!r}")
    return (*map(float, value), 1.0)
