"""A cloth, folded to a pad that a parallel gripper takes from above.

Rigid where it is gripped, soft where it wipes: its sole yields by three millimetres under the force of wiping and slides easily, so
that an arm that presses it on a board feels a spring and not a stone.
"""

import mujoco
import numpy as np

from vipa_sim import contacts, shapes, textures
from vipa_sim.robot_model import HIDDEN, VISUAL

LENGTH, WIDTH, HEIGHT = 0.090, 0.046, 0.030  # metres, along x, y, z of the body; a hand closes along y
SOLE = 0.006  # metres: thickness of what yields; pressed through, the pad is hard
INSET = 0.002  # metres that the sole stands back from the sides: fingers touch the pad and not the sole
MASS = 0.05  # kg
LAYERS = 4


def add_cloth(spec: mujoco.MjSpec) -> None:
    """Body `cloth`, origin in the middle of its sole, z up, free joint `cloth_free`; geom `cloth_sole` is what wipes; `cloth_end` is
    the middle of the edge that x points to."""
    textures.add_texture(spec, "weave", textures.terry())
    for name, shade in (("cloth", 1.0), ("cloth_inner", 0.86)):
        textures.add_material(
            spec, name, [0.95 * shade, 0.80 * shade, 0.30 * shade, 1], "weave", specular=0.0, shininess=0.0
        )
    cloth = spec.worldbody.add_body(name="cloth")
    cloth.add_freejoint(name="cloth_free")
    cloth.explicitinertial = True
    cloth.mass, cloth.ipos, cloth.inertia = MASS, [0, 0, HEIGHT / 2], [1.3e-5, 3.8e-5, 4.3e-5]
    cloth.add_body(name="cloth_end", pos=[LENGTH / 2, 0, HEIGHT / 2])
    _pad(cloth)
    _sole(cloth)
    layer = HEIGHT / LAYERS
    for k in range(LAYERS):
        # each layer a little shorter or longer than the last, as folds are
        length, width = LENGTH - 0.003 * ((k * 2) % 3), WIDTH - 0.0015 * (k % 2)
        shapes.add_mesh(spec, f"cloth_layer{k}", _layer(length, width, 1.04 * layer))
        cloth.add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"cloth_layer{k}", material="cloth_inner" if k % 2 else "cloth",
            pos=[0.0012 * (-1) ** k, 0, (k + 0.5) * layer], contype=0, conaffinity=0, group=VISUAL, mass=0,
        )  # fmt: skip


def _pad(cloth) -> None:
    geom = cloth.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, pos=[0, 0, (HEIGHT + SOLE) / 2], size=[LENGTH / 2, WIDTH / 2, (HEIGHT - SOLE) / 2],
        group=HIDDEN, mass=0,
    )  # fmt: skip
    contacts.set_object(geom)
    geom.condim = 4


def _sole(cloth) -> None:
    geom = cloth.add_geom(
        name="cloth_sole", type=mujoco.mjtGeom.mjGEOM_BOX, pos=[0, 0, SOLE / 2 + 0.0005],
        size=[LENGTH / 2 - INSET, WIDTH / 2 - INSET, SOLE / 2 + 0.0005], group=HIDDEN, mass=0,
    )  # fmt: skip
    contacts.set_cloth(geom)


def _layer(length: float, width: float, thickness: float, sides: int = 10):
    """One fold: a flat bolster with round edges, closed ends; what `shapes.tube` returns."""
    # a rounded rectangle across, from end to end
    turn = np.linspace(0, 2 * np.pi, 4 * sides + 1)
    bulge = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.25, np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.6
    ends = np.array([-1.0, -0.985, -0.95, 0.95, 0.985, 1.0])
    shrink = np.array([0.80, 0.94, 1.0, 1.0, 0.94, 0.80])
    flat = np.array([0.30, 0.72, 1.0, 1.0, 0.72, 0.30])
    rings = [
        np.stack([np.full(len(turn), x * length / 2), s * bulge[0] * width / 2, f * bulge[1] * thickness / 2], axis=1)
        for x, s, f in zip(ends, shrink, flat)
    ]
    vertices = np.concatenate([np.concatenate(rings), [[-length / 2, 0, 0], [length / 2, 0, 0]]])
    around = len(turn)
    i, j = np.meshgrid(np.arange(len(ends) - 1), np.arange(around - 1), indexing="ij")
    a, b = (i * around + j).ravel(), (i * around + j + 1).ravel()
    c, d = a + around, b + around
    k = np.arange(around - 1)
    first, last, start = len(vertices) - 2, len(vertices) - 1, (len(ends) - 1) * around
    faces = np.concatenate(
        [
            np.stack([a, c, b], axis=1),
            np.stack([b, c, d], axis=1),
            np.stack([np.full(len(k), first), k, k + 1], axis=1),
            np.stack([np.full(len(k), last), start + k + 1, start + k], axis=1),
        ]
    )
    # the weave as seen from above, stretched over the sides
    texture = np.stack([vertices[:, 0] / 0.09 + 0.5, vertices[:, 1] / 0.09 + 0.5 + 0.3 * vertices[:, 2] / 0.09], axis=1)
    return vertices, faces, texture
