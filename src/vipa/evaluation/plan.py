"""The plan of a set of trials (YAML), and what it expands to: scene cards that every commander meets, in a random order."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from vipa import config
from vipa.config import Range
from vipa.errors import VipaError, unknown
from vipa.tasks.task import Task, load_task

SEEN, UNSEEN = "seen", "unseen"
Seed = Annotated[int, Range(0, 2**31 - 1)]


@dataclass(frozen=True)
class CommanderEntry:
    """One commander of a plan. policy: as `vipa episode --policy` takes it. delay: seconds from what it sees until its answer
    arrives, in place of the measured latency. noise: metres, of the expert's disturbances. runtime, precision, device: how a
    checkpoint runs."""

    policy: str
    delay: Annotated[float, Range(0, 60)] | None = None
    noise: Annotated[float, Range(0, 1)] = 0.0
    runtime: str = "onnxruntime"
    precision: str = ""
    device: str = "auto"


@dataclass(frozen=True)
class Plan:
    """What is to be tried. commanders: name → entry. tasks: names or paths. variants: names, or `seen`, `unseen`: drawn from
    the task's. trials: scene cards a task and variant; seeds: theirs, [] draws them by `seed`, which also draws the order.

    cell, driver, camera_driver, robot, following, fixed_cameras, camera_noise: as of `vipa episode`. latency: of inference in simulation: charged (simulated time goes on while a
    commander thinks, as long as was measured here) or free.
    """

    commanders: dict[str, CommanderEntry]
    tasks: list[str]
    variants: list[str] = field(default_factory=lambda: [SEEN])
    trials: Annotated[int, Range(1, 100_000)] = 20
    seeds: list[Seed] = field(default_factory=list)
    seed: Seed = 0
    cell: Literal["sim", "real"] = "sim"
    driver: str = ""
    camera_driver: str = ""
    robot: str = ""
    following: str = ""
    fixed_cameras: bool = False
    camera_noise: bool = False
    latency: Literal["charged", "free"] = "charged"

    def __post_init__(self):
        if wrong := [n for n in self.commanders if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,60}", n)]:
            raise ValueError(
                f"commanders: '{wrong[0]}'; allowed: letters, digits, '_', '-' and '.', the first a letter or digit"
            )
        for key in ("commanders", "tasks", "variants"):
            if not getattr(self, key) or len(set(getattr(self, key))) != len(getattr(self, key)):
                raise ValueError(f"{key}: {list(getattr(self, key))}; allowed: at least one, each once")
        if self.seeds and (len(set(self.seeds)) != len(self.seeds) or len(self.seeds) != self.trials):
            raise ValueError(f"seeds: {len(self.seeds)} of them; allowed: as many as trials ({self.trials}), each once")

    @property
    def sha256(self) -> str:
        """Fingerprint of all of it."""
        return config.fingerprint(self)


@dataclass(frozen=True)
class SceneCard:
    """A scene that every commander meets. task: as the plan names it. variant "": drawn by the seed from the seen ones."""

    pair_id: str
    task: str
    variant: str
    seed: int


@dataclass(frozen=True)
class PlannedTrial:
    """One trial to be run. trial_id says nothing of the commander, so that it may be shown. attempt: 1, or more if the pair is redone."""

    trial_id: str
    order: int
    card: SceneCard
    commander: str
    attempt: int = 1


def load(path: Path) -> Plan:
    """The plan in the YAML file `path`. Raises VipaError."""
    return config.load(path, Plan)


def scene_cards(plan: Plan) -> list[SceneCard]:
    """Every scene of the plan, tasks and variants in its order. Raises VipaError for a variant that a task does not have."""
    found = []
    for number, name in enumerate(plan.tasks):
        task = load_task(name)
        for variant in plan.variants:
            rng = np.random.default_rng([plan.seed, number, *variant.encode()])
            seeds = plan.seeds or [int(s) for s in rng.choice(2**31 - 1, plan.trials, replace=False)]
            drawn = [_variant(task, variant, rng) for _ in seeds]
            found += [
                SceneCard(f"{task.name}-{variant}-{i:03d}", name, look, seed)
                for i, (seed, look) in enumerate(zip(seeds, drawn, strict=True))
            ]
    return found


def _variant(task: Task, variant: str, rng: np.random.Generator) -> str:
    if variant == SEEN:
        return ""
    if variant != UNSEEN:
        if variant not in task.variants:
            raise unknown(f"variant of task '{task.name}'", variant, (SEEN, UNSEEN, *task.variants))
        return variant
    others = [name for name in task.variants if name not in task.seen]
    if not others:
        raise VipaError(f"task '{task.name}' has no unseen variant; allowed: seen, {', '.join(task.variants)}")
    return others[rng.integers(len(others))]


def expand(plan: Plan) -> list[PlannedTrial]:
    """Every trial in the order in which it is to be run: the cards are shuffled, and for each card the commanders, which meet it one
    right after the other, so that what drifts (a cell that warms up, a lens that fogs) meets all of them alike."""
    rng = np.random.default_rng([plan.seed, 0x0DE2])
    cards, names = scene_cards(plan), sorted(plan.commanders)
    trials: list[PlannedTrial] = []
    for i in rng.permutation(len(cards)):
        for j in rng.permutation(len(names)):
            order = len(trials)
            trials.append(PlannedTrial(f"{order:04d}", order, cards[i], names[j]))
    return trials
