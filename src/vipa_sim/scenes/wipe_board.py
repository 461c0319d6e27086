"""Wipe-Board: a whiteboard with marks of a marker lies on a table, a folded cloth beside it.

The board is the task file's fixture `board`, so that the gate keeps the arm clear of it. Ink is a texture; the cloth takes it off where it
presses with more than `ink.MIN_PRESSURE` and slides.

Bodies (ground truth poses, world frame):
- `cloth`: origin in the middle of its sole, z up, x along its length. Grasp from above at (0, 0, 0.020) in its frame with the fingers
  closing along its y, opened wider than 0.046 m.
- `cloth_end`: the middle of the cloth's edge that its x points to: how it lies.
- `board`: origin in the middle of its box, x along its length.
- `mark`: where ink is left that is nearest to the cloth, on the board's surface; in the board's middle when it is clean.
Scalars: `ink`, square centimetres of full ink that are left; `press`, newtons between cloth and board; `board_x`, `board_y`, `board_z`:
half the white's width and depth, and half the board's HEIGHT, constants in metres.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import mujoco
import numpy as np

from vipa.config import Range
from vipa.errors import VipaError
from vipa.tasks.task import Task
from vipa_sim import contacts, geometry, marks, tabletop, textures
from vipa_sim.ink import Ink, pressures
from vipa_sim.objects import cloth
from vipa_sim.objects.whiteboard import SURFACE, add_whiteboard, inner_size
from vipa_sim.placement_ik import Reach, gripping
from vipa_sim.scenes import Light, Metres, Turn, check_light, check_span, first_arm, pick, rgba
from vipa_sim.snapshot import Appearance

TRIES = 500
EDGE_M = 0.022  # metres between the marks and the edge of the white
GRASP_M = 0.020  # metres of the tool above the sole
ABOVE_M = 0.12  # metres above the grasp and the board that the tool must reach, too
FORCE_FILTER = 0.3  # share of a tick's force that counts at once: steps of a contact's solver are no force on a cloth
POINT_TICKS = 5  # from one look for the nearest ink to the next
BLANK = np.array([250, 250, 248], np.uint8)


@dataclass(frozen=True)
class Ranges:
    """cloth_min, cloth_max: metres, table area of the cloth's middle. cloth_yaw: radians that it may lie askew. marks: how many marks, at
    least and at most. light: factor on the light."""

    cloth_min: list[Metres] = field(default_factory=lambda: [0.36, -0.36])
    cloth_max: list[Metres] = field(default_factory=lambda: [0.56, -0.16])
    cloth_yaw: Turn = 0.8
    marks: list[Annotated[int, Range(1, 6)]] = field(default_factory=lambda: [3, 5])
    light: list[Light] = field(default_factory=lambda: [0.92, 1.06])

    def __post_init__(self):
        check_span("cloth_min, cloth_max", self.cloth_min, self.cloth_max)
        if len(self.marks) != 2 or self.marks[0] > self.marks[1]:
            raise ValueError(f"marks: {self.marks}; allowed: two numbers, from low to high")
        check_light(self.light)


class Scene:
    """See the module."""

    bodies = ("cloth", "cloth_end", "board", "mark")
    materials: ClassVar[dict[str, str]] = {}

    def __init__(self, task: Task):
        self._ranges = pick(task, Ranges)
        boards = [f for f in task.fixtures if f.name == "board"]
        if not boards or any(boards[0].rpy):
            raise VipaError(
                f"task {task.name}: fixtures: scene wipe_board wants one called board that lies flat, its rpy 0"
            )
        self._board = boards[0]
        self._size = inner_size(self._board.size)
        if min(self._size) < 0.12:
            raise VipaError(
                f"task {task.name}: fixtures: board: size {self._board.size}; allowed: edges of 0.15 m and more"
            )
        self._top = np.array(self._board.position) + [0, 0, self._board.size[2] / 2]
        self._middle = np.array(self._board.position)[:2]
        self.ink = Ink(self._size)
        self._blank = np.broadcast_to(BLANK, (*self.ink.shape, 3)).copy()
        self._shown: tuple[int, Appearance, Appearance] | None = (
            None  # version of the ink, the look asked for, the look
        )

    def build(self, spec: mujoco.MjSpec) -> None:
        """Table, board, marker and cloth."""
        textures.add_texture(spec, "wood", textures.wood())
        textures.add_material(spec, "table_top", [0.66, 0.50, 0.36, 1], "wood")
        tabletop.add_table(spec, "table_top")
        add_whiteboard(spec, self._board.position, self._board.size)
        cloth.add_cloth(spec)
        spec.worldbody.add_body(name="mark", mocap=True, pos=self._top)

    def place(
        self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, reach: dict[str, Reach]
    ) -> None:
        """The cloth where the arm can grasp it and carry it all over the board; the marks."""
        r = self._ranges
        for _ in range(TRIES):
            spot, yaw = rng.uniform(r.cloth_min, r.cloth_max), rng.uniform(-r.cloth_yaw, r.cloth_yaw)
            if self._clear(spot) and self._wipeable(spot, yaw, first_arm(reach)):
                break
        else:
            raise VipaError(f"wipe_board: no reachable place for the cloth in {TRIES} draws; see randomisation")
        start = model.joint("cloth_free").qposadr[0]
        data.qpos[start : start + 3] = [*spot, 0.001]
        data.qpos[start + 3 : start + 7] = geometry.yaw_quat(yaw)
        self.ink.set(marks.scribble(self._size, EDGE_M, int(rng.integers(r.marks[0], r.marks[1] + 1)), rng))
        self._ids = [model.geom("cloth_sole").id, model.body("board").geomadr[0]]
        self._body, self._mark = model.body("cloth").id, model.body("mark").mocapid[0]
        self._ticks, self._press, self._before = 0, 0.0, np.array([*spot, yaw])
        self._point(data, spot)

    def _clear(self, spot) -> bool:
        """The cloth, however it is turned, lies beside the board with room for a hand."""
        gap = np.abs(spot - self._middle) - np.array(self._board.size[:2]) / 2
        return bool(gap.max() > cloth.LENGTH / 2 + 0.02)

    def _wipeable(self, spot, yaw, reach) -> bool:
        """One hold on the cloth serves for grasp, lift, and the four corners of the board."""
        across = yaw + np.pi / 2
        for turn in (0.0, np.pi):
            joints = reach.solve([*spot, GRASP_M], gripping(across + turn))
            if joints is not None:
                joints = reach.solve([*spot, GRASP_M + ABOVE_M], gripping(across + turn), joints)
            if joints is not None and self._corners(turn, joints, reach):
                return True
        return False

    def _corners(self, turn, joints, reach) -> bool:
        half = np.array(self._size) / 2 - [cloth.LENGTH / 2, cloth.WIDTH / 2]
        for x, y in ((0, 0), (-1, -1), (1, -1), (1, 1), (-1, 1)):
            at = [*(self._middle + half * [x, y]), self._top[2] + GRASP_M]
            joints = reach.solve(at, gripping(np.pi / 2 + turn), joints)
            if joints is None:
                return False
        return True

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """A tick is over: the cloth has wiped where it pressed and slid."""
        self._press += FORCE_FILTER * (contacts.normal_force(data, *self._ids) - self._press)
        matrix = data.xmat[self._body].reshape(3, 3)
        now = np.array([*data.xpos[self._body][:2], np.arctan2(matrix[1, 0], matrix[0, 0])])
        slid, self._before = now - self._before, now
        slid[2] = (slid[2] + np.pi) % (2 * np.pi) - np.pi
        at = now[:2] - self._middle
        if self._press > 0.05 and slid.any():
            half = np.array([cloth.LENGTH, cloth.WIDTH]) / 2
            under = pressures(self._press, matrix[2, :2], half)
            self.ink.wipe(at, now[2], half, under, slid)
        self._ticks += 1
        if self._ticks % POINT_TICKS == 0:
            self._point(data, now[:2])

    def arranged(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """The cloth was put somewhere: another mark may be the nearest."""
        self._point(data, data.xpos[self._body][:2])

    def _point(self, data, cloth_at) -> None:
        """The body `mark` goes to the ink that is nearest to the cloth."""
        nearest = self.ink.nearest(cloth_at - self._middle)
        data.mocap_pos[self._mark] = self._top + ([0, 0, 0] if nearest is None else [*nearest, 0])

    def appearance(self, variant: dict, rng: np.random.Generator) -> Appearance:
        """Colours of marker, cloth and board, and a little more or less light."""
        keys = ("marker", "cloth", "board")
        extra = [k for k in variant if k not in keys]
        if extra:
            raise VipaError(f"wipe_board: variant: unknown key(s) {', '.join(extra)}; allowed: {', '.join(keys)}")
        fabric = rgba(variant, "cloth", (0.95, 0.80, 0.30))
        colours = {
            "marker": rgba(variant, "marker", (0.08, 0.08, 0.09)),
            "cloth": fabric,
            "cloth_inner": (*(0.86 * c for c in fabric[:3]), 1.0),
            SURFACE: rgba(variant, "board", (1.0, 1.0, 1.0)),
        }
        return Appearance(colours, light=float(rng.uniform(*self._ranges.light)))

    def look(self, appearance: Appearance, data: mujoco.MjData) -> Appearance:
        """The board with the ink that is on it now."""
        if self._shown is None or self._shown[0] != self.ink.version or self._shown[1] is not appearance:
            colour = 255 * np.array(appearance.materials["marker"][:3])
            picture = {SURFACE: self.ink.paint(self._blank, colour)}
            look = Appearance(appearance.materials, picture, appearance.light)
            self._shown = self.ink.version, appearance, look
        return self._shown[2]

    def scalars(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, float]:
        """See the module."""
        return {
            "ink": self.ink.area,
            "press": self._press,
            "board_x": self._size[0] / 2,
            "board_y": self._size[1] / 2,
            "board_z": self._board.size[2] / 2,
        }
