"""A whiteboard that lies on the table, with a marker beside it. What is felt of it is the fixture `board`."""

import mujoco
import numpy as np

from vipa_sim import shapes, tabletop, textures
from vipa_sim.ink import TEXEL
from vipa_sim.robot_model import VISUAL

FRAME = 0.012  # metres: width of the frame, beyond the white
LIP = 0.0004  # metres of the picture above what is felt
SURFACE = "board_surface"  # texture and material of the white


def add_whiteboard(spec: mujoco.MjSpec, position, size) -> None:
    """The looks of a board whose box has its centre at `position` (3,) and edges `size` (3,), metres: texture SURFACE with a texel of
    TEXEL, row 0 at the least y and column 0 at the least x, a frame around it, corners, and a marker beyond its far edge."""
    width, depth, height = size
    inner = inner_size(size)
    shape = (round(inner[1] / TEXEL), round(inner[0] / TEXEL))
    textures.add_texture(spec, SURFACE, np.full((*shape, 3), 245, np.uint8))
    textures.add_material(spec, SURFACE, [1, 1, 1, 1], SURFACE, specular=0.35, shininess=0.6)
    textures.add_material(spec, "aluminium", [0.74, 0.75, 0.77, 1], specular=0.8, shininess=0.7)
    textures.add_material(spec, "marker", [0.1, 0.1, 0.1, 1], specular=0.4, shininess=0.5)
    shapes.add_mesh(spec, SURFACE, _sheet(*inner))
    top = np.array(position) + [0, 0, height / 2]
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH, meshname=SURFACE, material=SURFACE, pos=top + [0, 0, LIP],
        contype=0, conaffinity=0, group=VISUAL, mass=0,
    )  # fmt: skip
    tabletop.add_panel(spec.worldbody, "board_body", position, [*inner, height - 0.001], [0.80, 0.80, 0.79, 1])
    for side in (-1, 1):
        along = np.array(position) + [side * (width - FRAME) / 2, 0, LIP]
        tabletop.add_panel(
            spec.worldbody, f"board_frame_x{side}", along, [FRAME, depth - 2 * FRAME, height], material="aluminium"
        )
        across = np.array(position) + [0, side * (depth - FRAME) / 2, LIP]
        tabletop.add_panel(
            spec.worldbody, f"board_frame_y{side}", across, [width - 2 * FRAME, FRAME, height], material="aluminium"
        )
        for other in (-1, 1):
            corner = np.array(position) + [side * (width - FRAME) / 2, other * (depth - FRAME) / 2, LIP]
            tabletop.add_panel(
                spec.worldbody,
                f"board_corner{side}{other}",
                corner,
                [FRAME, FRAME, height + 0.0006],
                [0.16, 0.17, 0.19, 1],
            )
    _marker(spec, np.array(position) + [0.02, depth / 2 + 0.045, -height / 2])


def inner_size(size) -> tuple[float, float]:
    """Width and depth of the white of a board with the edges `size`, metres."""
    return size[0] - 2 * FRAME, size[1] - 2 * FRAME


def _marker(spec, at) -> None:
    """A marker that lies on the table, its cap in the colour of its ink (material `marker`)."""
    radius = 0.0085
    for first, second, r, material in (
        (-0.065, 0.018, radius, "marker_barrel"), (0.018, 0.062, radius + 0.0008, "marker"), (-0.068, -0.065, radius - 0.002, "marker"),
    ):  # fmt: skip
        if spec.material(material) is None:
            textures.add_material(spec, material, [0.93, 0.93, 0.92, 1], specular=0.4, shininess=0.5)
        spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=[r, 0, 0], material=material, contype=0, conaffinity=0, group=VISUAL, mass=0,
            fromto=[*(at + [first, 0.1 * first, radius]), *(at + [second, 0.1 * second, radius])],
        )  # fmt: skip


def _sheet(width: float, depth: float):
    """A flat rectangle seen from above, its texture once over all of it, u along x, v along y; what `shapes.tube` returns."""
    x, y = width / 2, depth / 2
    vertices = np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]])
    texture = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    return vertices, np.array([[0, 1, 2], [0, 2, 3]]), texture
