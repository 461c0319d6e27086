"""Insert-Flower: a holder with flowers on one side of the table and a vase near its middle, for a robot with two arms and a head.

The side on which the holder stands, drawn by the seed, says which arm takes the flower; the other steadies the vase.

Bodies (ground truth poses, world frame):
- `flower`: the red one, which stands loose. Origin at the stem's lower end, z along the stem to the head.
- `holder`: origin on the table under the loose flower's hole, x towards the others.
- `vase`: origin in the middle of its foot, z up. The rim of its mouth is at (0, 0, 0.18) in its frame.
No scalars.
"""

from dataclasses import dataclass, field

import mujoco
import numpy as np

from vipa.commanders.expert.scripts.insert_flower import BRING, FETCH, GRIP_M, NECK, SLANT, SLANT_NECK, STEADY
from vipa.errors import VipaError
from vipa.tasks.task import Task
from vipa_sim import geometry, tabletop, textures
from vipa_sim.objects.flowers import HOLDER, HOLE_DEPTH, HOLE_HALF, STEM_RADIUS, add_flowers
from vipa_sim.objects.vase import HEIGHT, add_vase
from vipa_sim.placement_ik import Reach, pitched
from vipa_sim.scenes import Gap, Light, Metres, Turn, check_light, check_span, pick, rgba
from vipa_sim.snapshot import Appearance

TRIES = 500
BEFORE_M = 0.12  # metres behind a grasp, from where it is approached
LIFT, OVER, DEPTH = 0.19, 0.05, 0.085  # metres that the flower is lifted, held over the rim, and put in


@dataclass(frozen=True)
class Ranges:
    """holder_min, holder_max: metres, x and distance to the side of the loose flower; vase_min, vase_max: x and distance to the
    holder's side (below nought: the other one) of the vase. holder_yaw: radians. light: factor on the light."""

    holder_min: list[Metres] = field(default_factory=lambda: [0.50, 0.20])
    holder_max: list[Metres] = field(default_factory=lambda: [0.60, 0.32])
    holder_yaw: Turn = 0.3
    vase_min: list[Metres] = field(default_factory=lambda: [0.48, -0.10])
    vase_max: list[Metres] = field(default_factory=lambda: [0.56, 0.0])
    apart: Gap = 0.22
    light: list[Light] = field(default_factory=lambda: [0.92, 1.06])

    def __post_init__(self):
        check_span("holder_min, holder_max", self.holder_min, self.holder_max)
        check_span("vase_min, vase_max", self.vase_min, self.vase_max)
        check_light(self.light)


class Scene:
    """See the module."""

    bodies = ("flower", "holder", "vase")

    def __init__(self, task: Task):
        self.materials: dict[str, str] = {}
        self._ranges = pick(task, Ranges)

    def build(self, spec: mujoco.MjSpec) -> None:
        """Table, holder with flowers and vase."""
        textures.add_texture(spec, "wood", textures.wood())
        textures.add_material(spec, "table_top", [0.72, 0.52, 0.34, 1], "wood")
        tabletop.add_table(spec, "table_top")
        # what a head sees that looks up from the table
        tabletop.add_panel(spec.worldbody, "wall_front", [2.6, 0.0, 0.9], [0.1, 6.0, 3.4], material="wall")
        tabletop.add_panel(spec.worldbody, "wall_right", [0.0, -1.9, 0.9], [6.0, 0.1, 3.4], material="wall")
        add_flowers(spec)
        add_vase(spec)

    def place(
        self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, reach: dict[str, Reach]
    ) -> None:
        """Holder and vase so that one arm can take the flower and bring it over the vase, which the other can hold."""
        r, (left, right) = self._ranges, reach.values()
        side = 1.0 if rng.random() < 0.5 else -1.0
        takes, steadies = (left, right) if side > 0 else (right, left)
        for _ in range(TRIES):
            holder, vase = (rng.uniform(a, b) for a, b in ((r.holder_min, r.holder_max), (r.vase_min, r.vase_max)))
            holder, vase = holder * [1, side], vase * [1, side]
            yaw, lean = rng.uniform(-r.holder_yaw, r.holder_yaw), rng.uniform(-np.pi, np.pi)
            if np.linalg.norm(vase - holder) > r.apart and _playable(holder, vase, side, takes, steadies):
                break
        else:
            raise VipaError(
                f"insert_flower: no reachable places for holder and vase in {TRIES} draws; see randomisation"
            )
        put(model, data, "holder", [*holder, 0.0], geometry.yaw_quat(yaw))
        put(model, data, "vase", [*vase, 0.0], geometry.yaw_quat(rng.uniform(-np.pi, np.pi)))
        # it leans on the rim of its hole, as flowers do
        play = HOLE_HALF - STEM_RADIUS
        tip = np.array(
            [*(holder - 0.8 * play * np.array([np.cos(lean), np.sin(lean)])), HOLDER[2] - HOLE_DEPTH + 0.001]
        )
        axis = np.array([-np.sin(lean), np.cos(lean), 0.0])
        angle = 1.6 * play / HOLE_DEPTH
        put(model, data, "flower", tip, np.array([np.cos(angle / 2), *(np.sin(angle / 2) * axis)]))

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Physics is all that happens."""

    def appearance(self, variant: dict, rng: np.random.Generator) -> Appearance:
        """Colours of vase and table, and a little more or less light."""
        extra = [k for k in variant if k not in ("vase", "table")]
        if extra:
            raise VipaError(f"insert_flower: variant: unknown key(s) {', '.join(extra)}; allowed: vase, table")
        vase, table = rgba(variant, "vase", (0.9, 0.9, 0.88)), rgba(variant, "table", (0.72, 0.52, 0.34))
        return Appearance({"vase": vase, "table_top": table}, light=float(rng.uniform(*self._ranges.light)))

    def look(self, appearance: Appearance, data: mujoco.MjData) -> Appearance:
        """Nothing changes its colour during an episode."""
        return appearance

    def scalars(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, float]:
        """None."""
        return {}


def put(model: mujoco.MjModel, data: mujoco.MjData, body: str, position, quat) -> None:
    """The free body at position (3,) with quaternion wxyz (4,)."""
    start = model.joint(f"{body}_free").qposadr[0]
    data.qpos[start : start + 3] = position
    data.qpos[start + 3 : start + 7] = quat


def _playable(holder, vase, side: float, takes: Reach, steadies: Reach) -> bool:
    """Whether the arms can go the ways that the expert goes, each in one piece."""
    fetch, bring = pitched(-side * FETCH, SLANT), pitched(-side * BRING, SLANT)
    grasp = np.array([*holder, HOLDER[2] - HOLE_DEPTH + GRIP_M])
    up, above, down = (
        grasp + [0, 0, LIFT],
        np.array([*vase, HEIGHT + OVER + GRIP_M]),
        np.array([*vase, HEIGHT - DEPTH + GRIP_M]),
    )
    way = [(grasp - BEFORE_M * fetch[:, 2], fetch), (grasp, fetch), (up, fetch), (above, bring), (down, bring)]
    hold = pitched(side * STEADY, SLANT_NECK)
    neck = np.array([*vase, NECK])
    return takes.way(way) and steadies.way([(neck - BEFORE_M * hold[:, 2], hold), (neck, hold)])
