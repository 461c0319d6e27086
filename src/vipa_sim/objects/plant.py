"""A potted plant."""

import mujoco
import numpy as np

from vipa_sim import contacts, geometry, shapes, textures
from vipa_sim.robot_model import HIDDEN, VISUAL

POT_RADIUS, POT_HEIGHT = 0.055, 0.095
FOLIAGE_HEIGHT = 0.19  # metres above the table, middle of the leaves
MASS = 0.9  # kg


def add_plant(spec: mujoco.MjSpec) -> None:
    """Body `plant`: origin in the middle of the pot's foot, free joint `plant_free`. Leaves give way: only the pot and the
    stem can be touched."""
    textures.add_material(spec, "pot", [0.72, 0.36, 0.22, 1], specular=0.1, shininess=0.1)
    textures.add_material(spec, "soil", [0.20, 0.13, 0.09, 1], specular=0.0, shininess=0.0)
    for name, rgba in (("leaf_light", [0.30, 0.56, 0.20, 1]), ("leaf_dark", [0.15, 0.40, 0.14, 1])):
        textures.add_material(spec, name, rgba, specular=0.25, shininess=0.3)
    plant = spec.worldbody.add_body(name="plant")
    plant.add_freejoint(name="plant_free")
    plant.explicitinertial = True
    plant.mass, plant.ipos, plant.inertia = MASS, [0, 0, 0.05], [1.6e-3, 1.6e-3, 1.2e-3]
    _pot(spec, plant)
    _leaves(spec, plant)


def _pot(spec, plant) -> None:
    foot, rim = 0.040, POT_RADIUS
    profile = [(0, 0), (foot, 0), (rim - 0.006, 0.072), (rim, 0.072), (rim, POT_HEIGHT), (rim - 0.006, POT_HEIGHT),
               (rim - 0.008, POT_HEIGHT - 0.012), (0, POT_HEIGHT - 0.012)]  # fmt: skip
    shapes.add_mesh(spec, "pot", shapes.revolve(np.array(profile), sides=32))
    _seen(plant, mujoco.mjtGeom.mjGEOM_MESH, "pot", meshname="pot")
    soil = {"pos": [0, 0, POT_HEIGHT - 0.011], "size": [POT_RADIUS - 0.008, 0.002, 0]}
    _seen(plant, mujoco.mjtGeom.mjGEOM_CYLINDER, "soil", **soil)
    for shape in ({"pos": [0, 0, 0.036], "size": [0.047, 0.036, 0]}, {"pos": [0, 0, 0.0835], "size": [rim, 0.0115, 0]}):
        contacts.set_object(
            plant.add_geom(type=mujoco.mjtGeom.mjGEOM_CYLINDER, group=HIDDEN, mass=0, **shape), rolling=0.001
        )
    stem = {"fromto": [0, 0, POT_HEIGHT - 0.01, 0, 0, FOLIAGE_HEIGHT], "size": [0.005, 0, 0]}
    contacts.set_object(plant.add_geom(type=mujoco.mjtGeom.mjGEOM_CAPSULE, group=HIDDEN, mass=0, **stem))
    _seen(plant, mujoco.mjtGeom.mjGEOM_CAPSULE, "leaf_dark", **stem)


def _leaves(spec, plant) -> None:
    """Whorls of leaves that rise from the stem and droop outwards, always the same."""
    leaves: dict[str, list] = {"leaf_light": [], "leaf_dark": []}
    rng = np.random.default_rng(31)
    for whorl, (height, count, length, lift) in enumerate(
        ((0.105, 6, 1.10, 0.35), (0.135, 6, 1.05, 0.70), (0.165, 5, 0.90, 1.00), (0.185, 4, 0.70, 1.30))
    ):
        leaf = _leaf(length)
        for k in range(count):
            yaw = 2 * np.pi * (k + 0.5 * (whorl % 2)) / count + rng.uniform(-0.2, 0.2)
            pitch = -lift + rng.uniform(-0.12, 0.12)
            turn = geometry.rpy_matrix([rng.uniform(-0.2, 0.2), pitch, yaw])
            material = "leaf_light" if (k + whorl) % 2 else "leaf_dark"
            leaves[material].append(shapes.placed(leaf, [0, 0, height], turn))
    for material, found in leaves.items():
        shapes.add_mesh(spec, material, shapes.joined(found))
        _seen(plant, mujoco.mjtGeom.mjGEOM_MESH, material, meshname=material)


def _leaf(length: float = 1.0, count: int = 12):
    """A pointed leaf along x that droops, folded a little along its rib; both faces. What `shapes.tube` returns."""
    along = np.linspace(0, 1, count)
    width = 0.020 * length * np.sin(np.pi * along**0.8) ** 0.8 + 0.0005
    x, z = 0.095 * length * along, -0.040 * length * along**2
    rib = np.stack([x, np.zeros(count), z], axis=1)
    sides = [rib + np.stack([np.zeros(count), s * width, 0.25 * width], axis=1) for s in (-1, 1)]
    thickness = np.array([0, 0, 0.0006])
    rows = [sides[0], rib, sides[1]]
    vertices = np.concatenate([r + thickness for r in rows] + [r - thickness for r in rows])
    faces = []
    for layer, flip in ((0, False), (3, True)):
        for row in range(2):
            for i in range(count - 1):
                a, b = (layer + row) * count + i, (layer + row + 1) * count + i
                quads = [(a, a + 1, b), (b, a + 1, b + 1)]
                faces += [q[::-1] if flip else q for q in quads]
    texture = np.zeros((len(vertices), 2))
    return vertices, np.array(faces), texture


def _seen(body, kind, material, **shape):
    return body.add_geom(type=kind, group=VISUAL, material=material, contype=0, conaffinity=0, mass=0, **shape)
