"""The drawer that fills a cabinet made of fixtures."""

import mujoco
import numpy as np

from vipa.errors import VipaError
from vipa.tasks.task import Task
from vipa_sim import contacts
from vipa_sim.robot_model import VISUAL

SIDES = ("left", "right", "top", "bottom", "back")
TRAVEL = 0.22  # metres
GAP = 0.004  # between drawer and cabinet
WALL = 0.010
FLOOR = 0.008
WALL_HEIGHT = 0.085  # above the inner floor
FRONT = 0.018  # thickness of the front panel, which covers the cabinet's edges
BAR_RADIUS, BAR_LENGTH = 0.007, 0.16
STANDOFF = 0.050  # bar's centre to panel: a finger fits between with room to open
BAR_BELOW_TOP = 0.025  # bar's centre under the cabinet's top: a hand from above clears the top
MASS = 1.0  # kg
FRICTION, DAMPING = 2.0, 5.0  # N, N s/m: it stays where it is left


class Drawer:
    """Geometry of a drawer that opens along -y out of the cabinet whose five walls are fixtures of `task`.

    inner: half inner width (x), half inner depth (y) and inner height (z), metres. Raises VipaError if a wall is missing.
    """

    def __init__(self, task: Task):
        walls = {f.name: f for f in task.fixtures}
        missing = [f"cabinet_{s}" for s in SIDES if f"cabinet_{s}" not in walls]
        if missing:
            raise VipaError(f"task {task.name}: fixtures: missing {', '.join(missing)}")
        low = {s: np.subtract(walls[f"cabinet_{s}"].position, np.divide(walls[f"cabinet_{s}"].size, 2)) for s in SIDES}
        high = {s: np.add(walls[f"cabinet_{s}"].position, np.divide(walls[f"cabinet_{s}"].size, 2)) for s in SIDES}
        self._left, self._right = high["left"][0], low["right"][0]
        self._outer_left, self._outer_right = low["left"][0], high["right"][0]
        self._mouth, self._end = low["left"][1], low["back"][1] - GAP * 2
        self._base = high["bottom"][2] + GAP
        self._top = high["top"][2]
        if self._right - self._left < 0.1 or self._end - self._mouth < TRAVEL or self._top - self._base < 0.12:
            raise VipaError(f"task {task.name}: fixtures: the cabinet is too small for a drawer that opens {TRAVEL} m")
        half_x = (self._right - self._left) / 2 - GAP - WALL
        half_y = (self._end - WALL - self._mouth) / 2
        self.inner = (float(half_x), float(half_y), WALL_HEIGHT)
        self._origin = np.array([(self._left + self._right) / 2, self._mouth + half_y, self._base + FLOOR])

    def build(self, spec: mujoco.MjSpec) -> None:
        """Bodies `drawer` and `drawer_handle`, slide joint `drawer`; no contact with the cabinet itself."""
        body = spec.worldbody.add_body(name="drawer", pos=self._origin)
        body.add_joint(
            name="drawer", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0, -1, 0], range=[0, TRAVEL], limited=True,
            frictionloss=FRICTION, damping=DAMPING, solref_limit=[0.01, 1.0],
        )  # fmt: skip
        half_x, half_y, height = self.inner
        self._board(body, [0, 0, -FLOOR / 2], [half_x + WALL, half_y + WALL, FLOOR / 2])
        for side in (-1, 1):
            centre = [side * (half_x + WALL / 2), WALL / 2, height / 2]
            self._board(body, centre, [WALL / 2, half_y + WALL / 2, height / 2])
        self._board(body, [0, half_y + WALL / 2, height / 2], [half_x, WALL / 2, height / 2])
        panel_top, panel_bottom = self._top - 0.002 - self._origin[2], 0.004 - self._origin[2]
        width = (self._outer_right - self._outer_left) / 2
        centre_x = (self._outer_right + self._outer_left) / 2 - self._origin[0]
        front_y = -half_y - FRONT / 2
        self._board(
            body,
            [centre_x, front_y, (panel_top + panel_bottom) / 2],
            [width, FRONT / 2, (panel_top - panel_bottom) / 2],
            material="front",
        )
        body.explicitinertial = True
        body.mass = MASS
        body.inertia = [0.01, 0.01, 0.015]
        self._handle(body, [centre_x, -half_y - FRONT - STANDOFF, self._top - BAR_BELOW_TOP - self._origin[2]])
        for side in SIDES:
            for name in ("drawer", "drawer_handle"):
                spec.add_exclude(bodyname1=name, bodyname2=f"cabinet_{side}")

    def _handle(self, drawer, position) -> None:
        handle = drawer.add_body(name="drawer_handle", pos=position)
        along_x, along_y = [0.5, 0.5, 0.5, 0.5], [0.70710678, -0.70710678, 0, 0]
        bar = handle.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE, size=[BAR_RADIUS, BAR_LENGTH / 2, 0], quat=along_x,
            material="metal", group=VISUAL, mass=0.05,
        )  # fmt: skip
        contacts.set_object(bar)
        for side in (-1, 1):
            handle.add_geom(
                type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=[BAR_RADIUS * 0.8, STANDOFF / 2, 0], quat=along_y,
                pos=[side * (BAR_LENGTH / 2 - 0.012), STANDOFF / 2, 0], material="metal", group=VISUAL, mass=0.01,
            )  # fmt: skip

    def _board(self, body, position, half, material="cabinet") -> None:
        geom = body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX, pos=position, size=half, material=material, group=VISUAL,
            friction=[0.6, 0.01, 0.001],
        )  # fmt: skip
        geom.condim = 4
