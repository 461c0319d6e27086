"""Put-Three-Obj: a cabinet with one drawer on a table, an apple, a banana and a plum.

Bodies (ground truth poses, world frame):
- `drawer`: origin at the centre of its inner floor, x along its width, y into the cabinet. It opens along -y.
- `drawer_handle`: origin at the centre of the bar, x along the bar.
- `apple`, `plum`: origin at the centre. `banana`: origin in the middle of its length on its centre line, x along it: a
  gripper grasps there, fingers closing along y.
Scalars: `drawer`, its opening in metres (0 closed); `drawer_inner_x`, `_y`, `_z`: half the drawer's inner width and depth and
its inner HEIGHT above the floor, constants in metres.
The cabinet's walls are the task file's fixtures `cabinet_*`; the drawer's size follows from them.
"""

from dataclasses import dataclass, field

import mujoco
import numpy as np

from vipa.errors import VipaError
from vipa.tasks.task import Task
from vipa_sim import geometry, tabletop, textures
from vipa_sim.objects.drawer import Drawer
from vipa_sim.objects.fruit import APPLE_RADIUS, BANANA_LENGTH, BANANA_RADIUS, PLUM_RADIUS, add_fruit, banana_points
from vipa_sim.placement_ik import Reach
from vipa_sim.scenes import Gap, Light, Metres, Turn, check_light, check_span, first_arm, pick, rgba
from vipa_sim.snapshot import Appearance

TRIES = 2000


@dataclass(frozen=True)
class Ranges:
    """fruit_min, fruit_max: metres, table area of the fruits' origins. apart: metres between fruits: an open gripper over one
    must not touch the next. banana_yaw: radians that the banana may lie askew. light: factor on the light."""

    fruit_min: list[Metres] = field(default_factory=lambda: [0.34, -0.42])
    fruit_max: list[Metres] = field(default_factory=lambda: [0.60, -0.06])
    apart: Gap = 0.14
    banana_yaw: Turn = np.pi
    light: list[Light] = field(default_factory=lambda: [0.92, 1.06])

    def __post_init__(self):
        check_span("fruit_min, fruit_max", self.fruit_min, self.fruit_max)
        check_light(self.light)


class Scene:
    """See the module."""

    bodies = ("apple", "banana", "plum", "drawer", "drawer_handle")

    def __init__(self, task: Task):
        self._ranges = pick(task, Ranges)
        self._drawer = Drawer(task)
        self.materials = {f.name: "cabinet" for f in task.fixtures if f.name.startswith("cabinet_")}

    def build(self, spec: mujoco.MjSpec) -> None:
        """Materials, table, cloth, drawer and fruits."""
        textures.add_texture(spec, "wood", textures.wood())
        textures.add_texture(spec, "wood_sides", textures.wood(), cube=True)
        textures.add_texture(spec, "tablecloth", textures.tablecloth())
        textures.add_material(spec, "table_top", [0.72, 0.52, 0.34, 1], "wood", (1.0, 1.0))
        textures.add_material(spec, "cabinet", [0.95, 0.78, 0.58, 1], "wood_sides", (1.0, 1.0), uniform=False)
        textures.add_material(spec, "front", [1.0, 0.88, 0.70, 1], "wood_sides", (1.0, 1.0))
        textures.add_material(spec, "metal", [0.72, 0.73, 0.76, 1], specular=0.9, shininess=0.8)
        textures.add_material(spec, "cloth", [1, 1, 1, 1], "tablecloth", specular=0.0, shininess=0.0)
        tabletop.add_table(spec, "table_top")
        tabletop.add_panel(spec.worldbody, "tablecloth", [0.47, -0.02, -0.001], [0.62, 1.20, 0.002], material="cloth")
        self._drawer.build(spec)
        add_fruit(spec)

    def place(
        self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, reach: dict[str, Reach]
    ) -> None:
        """Fruits anywhere in their area, apart from each other and within a grasp from above; the drawer is closed."""
        low, high = np.array(self._ranges.fruit_min), np.array(self._ranges.fruit_max)
        for _ in range(TRIES):
            spots = rng.uniform(low, high, (3, 2))
            yaws = rng.uniform(-np.pi, np.pi, 3) * [1.0, self._ranges.banana_yaw / np.pi, 1.0]
            if self._apart(spots, yaws[1]) and self._reachable(spots, yaws, first_arm(reach)):
                break
        else:
            raise VipaError(f"put_three_obj: no room for three fruits in {low.tolist()}..{high.tolist()}")
        for name, height, spot, yaw in zip(self.bodies, (APPLE_RADIUS, BANANA_RADIUS, PLUM_RADIUS), spots, yaws):
            start = model.joint(f"{name}_free").qposadr[0]
            data.qpos[start : start + 3] = [*spot, height]
            data.qpos[start + 3 : start + 7] = geometry.yaw_quat(yaw)

    def _apart(self, spots, banana_yaw) -> bool:
        apple, banana, plum = spots
        c, s = np.cos(banana_yaw), np.sin(banana_yaw)
        along = banana + banana_points()[:, :2] @ np.array([[c, s], [-s, c]])
        gap = self._ranges.apart
        low, high = np.array(self._ranges.fruit_min), np.array(self._ranges.fruit_max)
        return bool(
            np.linalg.norm(apple - plum) > gap
            and np.linalg.norm(along - apple, axis=1).min() > gap
            and np.linalg.norm(along - plum, axis=1).min() > gap
            and (along > low - BANANA_LENGTH / 4).all()
            and (along < high + BANANA_LENGTH / 4).all()
            and along[:, 1].max() < high[1]
        )

    def _reachable(self, spots, yaws, reach) -> bool:
        apple, banana, plum = spots
        return (
            reach.top_down([*apple, APPLE_RADIUS], np.pi / 2)
            and reach.top_down([*banana, BANANA_RADIUS + 0.005], yaws[1] + np.pi / 2)
            and reach.top_down([*plum, PLUM_RADIUS], np.pi / 2)
        )

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Physics is all that happens."""

    def appearance(self, variant: dict, rng: np.random.Generator) -> Appearance:
        """Tablecloth colour of the variant, and a little more or less light."""
        extra = [k for k in variant if k != "tablecloth"]
        if extra:
            raise VipaError(f"put_three_obj: variant: unknown key(s) {', '.join(extra)}; allowed: tablecloth")
        cloth = rgba(variant, "tablecloth", (0.85, 0.80, 0.70))
        return Appearance({"cloth": cloth}, light=float(rng.uniform(*self._ranges.light)))

    def look(self, appearance: Appearance, data: mujoco.MjData) -> Appearance:
        """Nothing changes its colour during an episode."""
        return appearance

    def scalars(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, float]:
        """See the module."""
        inner = self._drawer.inner
        return {
            "drawer": float(data.joint("drawer").qpos[0]),
            "drawer_inner_x": inner[0],
            "drawer_inner_y": inner[1],
            "drawer_inner_z": inner[2],
        }
