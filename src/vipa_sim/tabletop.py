"""What every tabletop scene stands in: light, floor, walls, and the fixtures of the task file."""

from collections.abc import Mapping

import mujoco
import numpy as np

from vipa.robot.fixture import Fixture
from vipa_sim import geometry
from vipa_sim.robot_model import HIDDEN, VISUAL

FLOOR = -0.75  # metres: the table's top is z = 0


def add_room(spec: mujoco.MjSpec) -> None:
    """Lights, floor and two walls. Nothing here can be touched."""
    spec.visual.headlight.ambient = [0.36, 0.36, 0.37]
    spec.visual.headlight.diffuse = [0.18, 0.18, 0.18]
    spec.visual.headlight.specular = [0.0, 0.0, 0.0]
    # software OpenGL pays for triangles: flat faces need no more than two, and 24 sides are round at our resolutions
    spec.visual.quality.numslices, spec.visual.quality.numstacks, spec.visual.quality.numquads = 24, 12, 1
    spec.stat.extent = 1.0
    spec.stat.center = [0.4, 0.0, 0.1]
    spec.visual.map.znear = 0.01
    spec.visual.map.zfar = 12.0
    world = spec.worldbody
    world.add_light(
        name="key", pos=[0.9, -0.9, 2.0], dir=[-0.35, 0.55, -1.0], diffuse=[0.52, 0.50, 0.46],
        specular=[0.25, 0.25, 0.25], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, castshadow=True,
    )  # fmt: skip
    world.add_light(
        name="fill", pos=[-0.8, 1.2, 1.6], dir=[0.6, -0.5, -0.8], diffuse=[0.20, 0.21, 0.24],
        specular=[0.05, 0.05, 0.05], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, castshadow=False,
    )  # fmt: skip
    add_panel(world, "floor", [0.0, 0.0, FLOOR - 0.05], [6.0, 6.0, 0.1], [0.46, 0.42, 0.38, 1])
    # walls get little of the light, which falls from above: they shine a little themselves
    spec.add_material(name="wall", rgba=[0.90, 0.88, 0.84, 1], emission=0.28, specular=0.0)
    add_panel(world, "wall_back", [-1.6, 0.0, 0.9], [0.1, 6.0, 3.4], material="wall")
    add_panel(world, "wall_side", [0.0, 1.9, 0.9], [6.0, 0.1, 3.4], material="wall")
    for name, centre, size in (
        ("skirting_back", [-1.54, 0.0, FLOOR + 0.05], [0.02, 6.0, 0.1]),
        ("skirting_side", [0.0, 1.84, FLOOR + 0.05], [6.0, 0.02, 0.1]),
    ):
        add_panel(world, name, centre, size, [0.97, 0.97, 0.96, 1])


def add_panel(body: mujoco.MjsBody, name: str, position, size, rgba=(1, 1, 1, 1), material: str = "") -> mujoco.MjsGeom:
    """A box that is seen and not felt. size: full edges (3,) metres."""
    geom = body.add_geom(
        name=name, type=mujoco.mjtGeom.mjGEOM_BOX, pos=position, size=np.asarray(size) / 2,
        contype=0, conaffinity=0, group=VISUAL, mass=0,
    )  # fmt: skip
    if material:
        geom.material = material
    else:
        geom.rgba = rgba  # would hide the material's colour
    return geom


def add_fixtures(spec: mujoco.MjSpec, fixtures: list[Fixture], materials: Mapping[str, str]) -> None:
    """Every fixture as a static body of its own, named as the fixture. materials: fixture → material; others are unseen."""
    for fixture in fixtures:
        body = spec.worldbody.add_body(
            name=fixture.name, pos=fixture.position, quat=geometry.matrix_quat(geometry.rpy_matrix(fixture.rpy))
        )
        geom = body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX, size=np.asarray(fixture.size) / 2,
            group=VISUAL if fixture.name in materials else HIDDEN, friction=[0.8, 0.01, 0.0005],
        )  # fmt: skip
        if fixture.name in materials:
            geom.material = materials[fixture.name]


def add_table(spec: mujoco.MjSpec, material: str, x=(-0.30, 1.00), y=(-0.75, 0.75)) -> None:
    """What is seen of a table whose top is z = 0: a board and four legs. The board that is felt is the fixture `table`."""
    world, thickness = spec.worldbody, 0.04
    centre, size = [(x[0] + x[1]) / 2, (y[0] + y[1]) / 2], [x[1] - x[0], y[1] - y[0]]
    top = -0.002  # under a cloth, without flicker
    add_panel(world, "table_board", [*centre, top - thickness / 2], [*size, thickness], material=material)
    length = top - thickness - FLOOR
    for i, (sx, sy) in enumerate(((-1, -1), (-1, 1), (1, -1), (1, 1))):
        foot = [centre[0] + sx * (size[0] / 2 - 0.06), centre[1] + sy * (size[1] / 2 - 0.06), FLOOR + length / 2]
        add_panel(world, f"table_leg{i}", foot, [0.06, 0.06, length], [0.40, 0.28, 0.18, 1])
