"""Water-Plant: a watering can with a spray handle and a potted plant on a table.

Bodies (ground truth poses, world frame):
- `can`: origin in the middle of its foot, z up, x towards the spout. Grasp from above at (0, 0, 0.155) in its frame with the
  fingers closing along its x, opened wider than 0.046 m: one finger behind the neck, one on the spray handle.
- `spray_handle`: the lever that a full squeeze presses. `can_nozzle`: origin at the rose, the spray leaves along its x.
- `plant`: origin in the middle of the pot's foot; the middle of the leaves is at (0, 0, 0.19) in its frame.
Scalars: `spray`, the handle's travel in metres (0 at rest, 0.012 at the stop). Its spring starts to yield at 8 N.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import mujoco
import numpy as np

from vipa.errors import VipaError
from vipa.tasks.task import Task
from vipa_sim import geometry, tabletop, textures
from vipa_sim.objects.can import GRASP_HEIGHT, NOZZLE, add_can
from vipa_sim.objects.plant import add_plant
from vipa_sim.placement_ik import Reach, gripping
from vipa_sim.scenes import Gap, Light, Metres, Turn, check_light, check_span, first_arm, pick, rgba
from vipa_sim.snapshot import Appearance

TRIES = 500
LIFT_M = 0.10  # metres, at which a spray can be aimed
AIM_DISTANCE_M = 0.20  # metres from the nozzle to the middle of the leaves
SPRAYING_M = 0.008  # metres of travel from which water is seen
DRY, WET = (0.72, 0.87, 1.0, 0.0), (0.72, 0.87, 1.0, 0.9)


@dataclass(frozen=True)
class Ranges:
    """can_min, can_max, plant_min, plant_max: metres, table areas of the feet. can_yaw: radians that the spout may point away
    from the plant. apart: metres between can and plant. light: factor on the light."""

    can_min: list[Metres] = field(default_factory=lambda: [0.38, -0.34])
    can_max: list[Metres] = field(default_factory=lambda: [0.54, -0.10])
    can_yaw: Turn = 0.7
    plant_min: list[Metres] = field(default_factory=lambda: [0.46, 0.14])
    plant_max: list[Metres] = field(default_factory=lambda: [0.66, 0.34])
    apart: Gap = 0.34
    light: list[Light] = field(default_factory=lambda: [0.92, 1.06])

    def __post_init__(self):
        check_span("can_min, can_max", self.can_min, self.can_max)
        check_span("plant_min, plant_max", self.plant_min, self.plant_max)
        check_light(self.light)


class Scene:
    """See the module."""

    bodies = ("can", "spray_handle", "can_nozzle", "plant")
    materials: ClassVar[dict[str, str]] = {}

    def __init__(self, task: Task):
        self._ranges = pick(task, Ranges)
        self._looks: dict[bool, Appearance] = {}

    def build(self, spec: mujoco.MjSpec) -> None:
        """Table, mat, can and plant."""
        textures.add_texture(spec, "wood", textures.wood())
        textures.add_material(spec, "table_top", [0.72, 0.52, 0.34, 1], "wood")
        textures.add_material(spec, "water", DRY, specular=0.6, shininess=0.8)
        tabletop.add_table(spec, "table_top")
        add_can(spec)
        add_plant(spec)

    def place(
        self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, reach: dict[str, Reach]
    ) -> None:
        """Can and plant so that the arm can grasp the can and, without letting go, aim its spout at the plant."""
        r = self._ranges
        for _ in range(TRIES):
            can, plant = rng.uniform(r.can_min, r.can_max), rng.uniform(r.plant_min, r.plant_max)
            away, plant_yaw = rng.uniform(-r.can_yaw, r.can_yaw), rng.uniform(-np.pi, np.pi)
            heading = float(np.arctan2(*(plant - can)[::-1]))
            if np.linalg.norm(plant - can) > r.apart and self._aimable(
                can, heading + away, plant, heading, first_arm(reach)
            ):
                break
        else:
            raise VipaError(f"water_plant: no reachable places for can and plant in {TRIES} draws; see randomisation")
        for name, spot, yaw in (("can", can, heading + away), ("plant", plant, plant_yaw)):
            start = model.joint(f"{name}_free").qposadr[0]
            data.qpos[start : start + 3] = [*spot, 0.0]
            data.qpos[start + 3 : start + 7] = geometry.yaw_quat(yaw)

    def _aimable(self, can, yaw, plant, heading, reach) -> bool:
        """Whether one hold on the can serves for grasp, lift and every yaw from `yaw` to `heading`, up to the plant."""
        over = plant - (AIM_DISTANCE_M + NOZZLE[0]) * np.array([np.cos(heading), np.sin(heading)])
        for turn in (0.0, np.pi):
            joints = reach.solve([*can, GRASP_HEIGHT], gripping(yaw + turn))
            for u in np.linspace(0, 1, 6):
                if joints is None:
                    break
                place = [*(can + u * (over - can)), GRASP_HEIGHT + LIFT_M]
                joints = reach.solve(place, gripping(yaw + u * (heading - yaw) + turn), joints)
            if joints is not None:
                return True
        return False

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Physics is all that happens."""

    def appearance(self, variant: dict, rng: np.random.Generator) -> Appearance:
        """Colours of pot and table, and a little more or less light."""
        extra = [k for k in variant if k not in ("pot", "table")]
        if extra:
            raise VipaError(f"water_plant: variant: unknown key(s) {', '.join(extra)}; allowed: pot, table")
        colours = {
            "pot": rgba(variant, "pot", (0.72, 0.36, 0.22)),
            "table_top": rgba(variant, "table", (0.72, 0.52, 0.34)),
        }
        light = float(rng.uniform(*self._ranges.light))
        self._looks = {wet: Appearance(colours | {"water": WET if wet else DRY}, light=light) for wet in (False, True)}
        return self._looks[False]

    def look(self, appearance: Appearance, data: mujoco.MjData) -> Appearance:
        """Water leaves the nozzle while the handle is pressed."""
        return self._looks[bool(data.joint("spray").qpos[0] > SPRAYING_M)]

    def scalars(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, float]:
        """See the module."""
        return {"spray": float(data.joint("spray").qpos[0])}
