"""Gerberas in a wooden holder: one stands loose in its hole, the others are stuck fast in the holder's foam."""

import mujoco
import numpy as np

from vipa_sim import contacts, geometry, shapes, textures
from vipa_sim.robot_model import HIDDEN, VISUAL

STEM, STEM_RADIUS = 0.325, 0.0045  # length from the tip to the head and radius, metres
HEAD_RADIUS = 0.036
MASS = 0.035  # kg
HOLDER = (0.140, 0.100, 0.080)  # edges of the holder, metres
HOLE = (0.035, 0.050)  # of the middle of the loose flower's hole from the holder's edges, metres
HOLE_HALF, HOLE_DEPTH = 0.0075, 0.060  # half its width and its depth: the stem leans in it by 0.1 rad at most
HOLDER_MASS = 1.1  # kg
# Place of the others, height of their heads, petals: cut short, so that a hand at the loose one and the arm behind it pass over them
OTHERS = (([0.078, 0.026], 0.145, "flower_white"), ([0.072, -0.028], 0.160, "flower_yellow"))
PETALS = 15


def add_flowers(spec: mujoco.MjSpec) -> None:
    """Body `holder`: origin under the middle of the loose flower's hole, x towards the others, free joint `holder_free`. Body `flower`:
    origin at the stem's lower end, z along it to the head, free joint `flower_free`."""
    for name, rgba in (("stem", [0.25, 0.46, 0.16, 1]), ("flower_red", [0.84, 0.11, 0.14, 1]), ("flower_white", [0.95, 0.93, 0.88, 1]),
                       ("flower_yellow", [0.96, 0.76, 0.14, 1]), ("flower_heart", [0.25, 0.14, 0.07, 1]),
                       ("foam", [0.16, 0.34, 0.17, 1])):  # fmt: skip
        textures.add_material(spec, name, rgba, specular=0.1, shininess=0.1)
    textures.add_texture(spec, "holder_wood", textures.wood(), cube=True)
    textures.add_material(spec, "holder", [0.70, 0.48, 0.30, 1], "holder_wood")
    _holder(spec)
    flower = spec.worldbody.add_body(name="flower")
    flower.add_freejoint(name="flower_free")
    flower.explicitinertial = True
    flower.mass, flower.ipos, flower.inertia = MASS, [0, 0, 0.20], [4.0e-4, 4.0e-4, 1.0e-5]
    _stem(flower, [0.0, 0.0], STEM_RADIUS, STEM)
    _head(spec, flower, [0.0, 0.0], STEM, "flower_red")


def _holder(spec) -> None:
    holder = spec.worldbody.add_body(name="holder")
    holder.add_freejoint(name="holder_free")
    holder.explicitinertial = True
    holder.mass, holder.ipos, holder.inertia = HOLDER_MASS, [0.035, 0, 0.04], [1.6e-3, 2.4e-3, 3.0e-3]
    (length, width, height), (ahead, aside) = HOLDER, HOLE
    floor, h = height - HOLE_DEPTH, HOLE_HALF
    boxes = (  # (x, y, z) from and to: the floor, and four walls about the hole
        ((-ahead, -aside, 0), (length - ahead, width - aside, floor)),
        ((-ahead, -aside, floor), (-h, width - aside, height)),
        ((h, -aside, floor), (length - ahead, width - aside, height)),
        ((-h, -aside, floor), (h, -h, height)),
        ((-h, h, floor), (h, width - aside, height)),
    )
    for low, high in boxes:
        low, high = np.array(low), np.array(high)
        shape = {"pos": (low + high) / 2, "size": (high - low) / 2}
        geom = holder.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, group=HIDDEN, mass=0, **shape)
        contacts.set_object(geom)
        geom.condim = 4
        if low[2] > 0:  # waxed: a stem that is drawn out aslant must not take the holder along
            geom.priority, geom.friction = 1, [0.15, 0.005, 0.0001]
        _seen(holder, mujoco.mjtGeom.mjGEOM_BOX, "holder", **shape)
    rim = 0.010  # of wood about the foam, which shows on top beyond the loose flower
    start = 3 * h
    foam = {
        "pos": [(start + length - ahead - rim) / 2, 0, height],
        "size": [(length - ahead - rim - start) / 2, aside - rim, 0.002],
    }
    _seen(holder, mujoco.mjtGeom.mjGEOM_BOX, "foam", **foam)
    for place, top, petals in OTHERS:
        _stem(holder, place, 0.004, top, height - 0.01)
        _head(spec, holder, place, top, petals)


def _stem(body, place, radius, top, bottom=0.0) -> None:
    ends = {"fromto": [*place, bottom + radius, *place, top - radius], "size": [radius, 0, 0]}
    geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_CAPSULE, group=HIDDEN, mass=0, **ends)
    contacts.set_object(geom)
    geom.condim = 4
    _seen(body, mujoco.mjtGeom.mjGEOM_CAPSULE, "stem", **ends)


def _head(spec, body, place, height, petals) -> None:
    """A gerbera's head: two rings of petals about a dark heart, and the green cup under it."""
    disc = {"pos": [*place, height], "size": [HEAD_RADIUS - 0.004, 0.006, 0]}
    geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_CYLINDER, group=HIDDEN, mass=0, **disc)
    contacts.set_object(geom, rolling=0.001)
    geom.condim = 4
    petal, found = _petal(), []
    for ring, lift in ((0, 0.15), (1, 0.45)):
        for k in range(PETALS):
            turn = geometry.rpy_matrix([0, -lift, 2 * np.pi * (k + 0.5 * ring) / PETALS])
            found.append(shapes.placed(petal, [*place, height + 0.002 * ring], turn))
    shapes.add_mesh(spec, petals, shapes.joined(found))
    _seen(body, mujoco.mjtGeom.mjGEOM_MESH, petals, meshname=petals)
    _seen(
        body, mujoco.mjtGeom.mjGEOM_ELLIPSOID, "flower_heart", pos=[*place, height + 0.005], size=[0.011, 0.011, 0.006]
    )
    _seen(body, mujoco.mjtGeom.mjGEOM_ELLIPSOID, "stem", pos=[*place, height - 0.004], size=[0.010, 0.010, 0.008])


def _petal(count: int = 7):
    """A narrow petal along x with a round end, both faces. What `shapes.tube` returns."""
    along = np.linspace(0, 1, count)
    half = 0.0058 * np.sin(np.pi * np.clip(0.12 + 0.82 * along, 0, 1)) ** 0.6
    x, z = 0.004 + (HEAD_RADIUS - 0.004) * along, 0.003 * np.sin(np.pi * along)
    edges = [np.stack([x, sign * half, z], axis=1) for sign in (-1, 1)]
    vertices = np.concatenate([edges[0], edges[1], edges[0] - [0, 0, 0.0005], edges[1] - [0, 0, 0.0005]])
    faces = []
    for i in range(count - 1):
        a, b = i, count + i
        faces += [(a, a + 1, b), (b, a + 1, b + 1)]
        a, b = a + 2 * count, b + 2 * count
        faces += [(a, b, a + 1), (b, b + 1, a + 1)]
    return vertices, np.array(faces), np.zeros((len(vertices), 2))


def _seen(body, kind, material, **shape) -> None:
    body.add_geom(type=kind, group=VISUAL, material=material, contype=0, conaffinity=0, mass=0, **shape)
