"""Scenes by name: each module here has a class `Scene` that builds on a MuJoCo specification and randomises it."""

import importlib
import pkgutil
from typing import Protocol

import mujoco
import numpy as np

from vipa_ros.errors import VipaError, unknown
from vipa_ros.tasks.task import Task
from vipa_sim.reach import Reach
from vipa_sim.snapshot import Appearance


class Scene(Protocol):
    """A scene of one task.

    bodies: names of the bodies whose poses are ground truth. materials: fixture name → material of the boxes to be seen.
    """

    bodies: tuple[str, ...]
    materials: dict[str, str]

    def __init__(self, task: Task):
        """Raises VipaError if the task's fixtures or ranges do not fit the scene."""

    def build(self, spec: mujoco.MjSpec) -> None:
        """Add materials, movable bodies, joints and decoration. The fixtures are there already."""

    def place(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, reach: Reach) -> None:
        """Draw initial poses into `data.qpos`: apart from each other, reachable, at rest. Raises VipaError if none fits."""

    def appearance(self, variant: dict, rng: np.random.Generator) -> Appearance:
        """The look of `variant` (its parameters in the task file). Raises VipaError for unknown parameters."""

    def look(self, appearance: Appearance, data: mujoco.MjData) -> Appearance:
        """The look at this moment, for scenes in which something shows; the same object while nothing changes."""

    def scalars(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, float]:
        """Ground truth that is no pose."""


def load_scene(task: Task) -> Scene:
    """The scene that `task` names. Raises VipaError that lists what exists."""
    names = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    names = [n for n in names if hasattr(importlib.import_module(f"{__name__}.{n}"), "Scene")]
    if task.scene not in names:
        raise unknown(f"scene (task {task.name})", task.scene, names)
    return importlib.import_module(f"{__name__}.{task.scene}").Scene(task)


def pick(task: Task, allowed: dict) -> dict:
    """`task.randomisation` over the defaults `allowed`. Raises VipaError for unknown keys."""
    extra = [k for k in task.randomisation if k not in allowed]
    if extra:
        raise VipaError(
            f"task {task.name}: randomisation: unknown key(s) {', '.join(extra)}; allowed: {', '.join(allowed)}"
        )
    return allowed | task.randomisation


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
