"""A slender glazed vase with a flared mouth, made to be steadied by a parallel gripper at its neck."""

import mujoco
import numpy as np

from vipa_sim import contacts, geometry, shapes, textures
from vipa_sim.robot_model import HIDDEN, VISUAL

HEIGHT = 0.18  # of the rim above the foot, metres
BELLY = 0.040  # radius of the belly
BELLY_HEIGHT = 0.060  # of the sand in it, on which it stands firmly: as deep as a stem goes
NECK = 0.018  # outer radius of the neck, where it is held: a hand of 80 mm leaves 22 mm to either side
BORE = 0.0125  # inner radius of the neck
MOUTH = 0.027  # inner radius of the rim: it leads a stem in
FLARE = 0.146  # height from which the mouth widens
MASS = 0.55  # kg, stoneware and sand
SIDES = 10  # flat walls of the bore that is felt


def add_vase(spec: mujoco.MjSpec) -> None:
    """Body `vase`: origin in the middle of its foot, z up, free joint `vase_free`. A stem goes in as deep as BELLY_HEIGHT."""
    textures.add_material(spec, "vase", [0.9, 0.9, 0.88, 1], specular=0.6, shininess=0.7)
    textures.add_material(spec, "vase_inside", [0.16, 0.13, 0.11, 1], specular=0.0, shininess=0.0)
    vase = spec.worldbody.add_body(name="vase")
    vase.add_freejoint(name="vase_free")
    vase.explicitinertial = True
    vase.mass, vase.ipos, vase.inertia = MASS, [0, 0, 0.055], [1.5e-3, 1.5e-3, 4.0e-4]
    shapes.add_mesh(spec, "vase", shapes.revolve(_outside(), sides=36))
    _seen(vase, mujoco.mjtGeom.mjGEOM_MESH, "vase", meshname="vase")
    shapes.add_mesh(spec, "vase_inside", shapes.revolve(_inside()))
    _seen(vase, mujoco.mjtGeom.mjGEOM_MESH, "vase_inside", meshname="vase_inside")
    _felt(vase, mujoco.mjtGeom.mjGEOM_CYLINDER, pos=[0, 0, BELLY_HEIGHT / 2], size=[BELLY - 0.002, BELLY_HEIGHT / 2, 0])
    for k in range(SIDES):
        angle = 2 * np.pi * k / SIDES
        _wall(vase, angle, BELLY_HEIGHT, FLARE + 0.002, BORE, BORE)
        _wall(vase, angle, FLARE, HEIGHT, BORE, MOUTH)


def _wall(vase, angle: float, low: float, high: float, below: float, above: float) -> None:
    """A flat piece of the wall at `angle`: from radius `below` at `low` to radius `above` at `high`."""
    thickness = NECK - BORE
    lean = np.arctan2(above - below, high - low)
    quat = geometry.matrix_quat(geometry.rpy_matrix([0, lean, angle]))
    outward = np.array([np.cos(angle), np.sin(angle), 0.0])
    normal = outward * np.cos(lean) - np.array([0, 0, np.sin(lean)])
    middle = outward * (below + above) / 2 + [0, 0, (low + high) / 2]
    half = [thickness / 2, np.tan(np.pi / SIDES) * (above + thickness), np.hypot(high - low, above - below) / 2]
    _felt(vase, mujoco.mjtGeom.mjGEOM_BOX, pos=middle + normal * thickness / 2, quat=quat, size=half)


def _outside() -> np.ndarray:
    """Profile (N, 2), radius and height: foot, belly, shoulder, neck, flared rim, and back down inside the mouth."""
    points = [(0.0, 0.0), (0.030, 0.0), (0.031, 0.003), (0.038, 0.018), (0.040, 0.034), (0.037, 0.050), (0.028, 0.065),
              (0.0215, 0.077), (0.0182, 0.092), (0.0180, 0.130), (0.0190, 0.146), (0.0240, 0.163), (0.0332, HEIGHT),
              (0.0322, HEIGHT + 0.0012), (0.0308, HEIGHT + 0.0006), (0.0225, 0.166), (0.0145, 0.151)]  # fmt: skip
    return np.array(points)


def _inside() -> np.ndarray:
    """Profile of the dark that is seen in the mouth."""
    return np.array([(0.0146, 0.1515), (BORE, 0.148), (BORE, 0.100), (0.0, 0.100)])


def _felt(body, kind, **shape) -> None:
    geom = body.add_geom(type=kind, group=HIDDEN, mass=0, **shape)
    contacts.set_object(geom, rolling=0.001)
    geom.friction[0] = 0.6  # glaze on wood
    geom.condim = 4


def _seen(body, kind, material, **shape) -> None:
    body.add_geom(type=kind, group=VISUAL, material=material, contype=0, conaffinity=0, mass=0, **shape)
