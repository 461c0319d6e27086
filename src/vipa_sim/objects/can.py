"""A watering can with a sprung spray handle, made for a parallel gripper from above.

The gripper closes along the can's x: one finger behind the neck, the other on the spray handle in front of it. The spring is
preloaded: a light squeeze lifts the can and leaves the handle where it is, a full squeeze presses it to its stop.
"""

import mujoco
import numpy as np

from vipa_sim import contacts, shapes, textures
from vipa_sim.robot_model import HIDDEN, VISUAL

MASS = 0.35  # kg
RADIUS, HEIGHT = 0.045, 0.12  # of the tank
GRASP_HEIGHT = 0.155  # above the can's origin: middle of neck and handle
GAP = 0.046  # between the neck's back and the handle's front at rest
TRAVEL = 0.012  # metres, to the stop
HANDLE_HALF = 0.004  # half the thickness of the handle
PRELOAD, STIFFNESS = 8.0, 1500.0  # N, N/m: 8 N moves it, 20 N passes 8 mm, 26 N reaches the stop
NOZZLE = (0.138, 0.0, 0.158)  # in the can's frame; the spray leaves along x


def add_can(spec: mujoco.MjSpec) -> None:
    """Bodies `can` (origin in the middle of its foot, free joint `can_free`), `spray_handle` on the slide joint `spray`
    (0 at rest, positive pressed), and `can_nozzle`."""
    textures.add_material(spec, "can", [0.16, 0.50, 0.52, 1], specular=0.5, shininess=0.5)
    textures.add_material(spec, "can_trim", [0.80, 0.82, 0.80, 1], specular=0.5, shininess=0.5)
    textures.add_material(spec, "spray_handle", [0.92, 0.46, 0.10, 1], specular=0.3, shininess=0.4)
    textures.add_material(spec, "brass", [0.78, 0.62, 0.28, 1], specular=0.9, shininess=0.8)
    can = spec.worldbody.add_body(name="can")
    can.add_freejoint(name="can_free")
    can.explicitinertial = True
    can.mass, can.ipos, can.inertia = MASS, [0.004, 0.0, 0.065], [9.0e-4, 1.0e-3, 6.0e-4]
    _tank(spec, can)
    _neck(can)
    _spout(can)
    _handle(can)


def _tank(spec, can) -> None:
    profile = [(0, 0), (0.040, 0), (0.045, 0.004), (0.045, 0.100), (0.042, 0.112), (0.030, 0.124), (0.018, 0.134)]
    shapes.add_mesh(spec, "can_tank", shapes.revolve(_rounded(profile)))
    _seen(can, mujoco.mjtGeom.mjGEOM_MESH, "can", meshname="can_tank")
    band = mujoco.mjtGeom.mjGEOM_CYLINDER
    for z in (0.012, 0.094):
        _seen(can, band, "can_trim", pos=[0, 0, z], size=[RADIUS + 0.0008, 0.003, 0])
    _felt(can, mujoco.mjtGeom.mjGEOM_CYLINDER, pos=[0, 0, 0.052], size=[RADIUS, 0.052, 0])
    _felt(can, mujoco.mjtGeom.mjGEOM_CYLINDER, pos=[0, 0, 0.119], size=[0.030, 0.015, 0])


def _neck(can) -> None:
    # the neck from its back to where the handle stops; the head stays clear of the fingers, which are as long as it is high
    back, front = -GAP / 2, GAP / 2 - 2 * HANDLE_HALF - TRAVEL
    neck = [(back + front) / 2, 0, 0.152], [(front - back) / 2, 0.013, 0.024]
    head = [-0.006, 0, 0.180], [0.018, 0.016, 0.005]
    for (position, half), material in ((neck, "can_trim"), (head, "can")):
        box = mujoco.mjtGeom.mjGEOM_BOX
        _felt(can, box, pos=position, size=half)
        _seen(can, box, material, pos=position, size=half)
    _seen(can, mujoco.mjtGeom.mjGEOM_CYLINDER, "can_trim", pos=[-0.006, 0, 0.187], size=[0.011, 0.002, 0])


def _spout(can) -> None:
    start, elbow, tip = [0.030, 0, 0.045], [0.085, 0, 0.098], [0.118, 0, 0.156]
    for first, second, radius in ((start, elbow, 0.0095), (elbow, tip, 0.0080)):
        capsule = mujoco.mjtGeom.mjGEOM_CAPSULE
        _felt(can, capsule, fromto=[*first, *second], size=[radius, 0, 0])
        _seen(can, capsule, "can", fromto=[*first, *second], size=[radius, 0, 0])
    rose = {"fromto": [0.112, 0, NOZZLE[2], NOZZLE[0], 0, NOZZLE[2]], "size": [0.013, 0, 0]}
    _felt(can, mujoco.mjtGeom.mjGEOM_CYLINDER, **rose)
    _seen(can, mujoco.mjtGeom.mjGEOM_CYLINDER, "brass", **rose)
    nozzle = can.add_body(name="can_nozzle", pos=list(NOZZLE))
    _spray(nozzle)


def _spray(nozzle) -> None:
    """Streams of drops in front of the nozzle; their material is clear unless the handle is pressed."""
    rng = np.random.default_rng(21)
    for angle in np.linspace(0, 2 * np.pi, 7)[:-1]:
        for distance in np.linspace(0.02, 0.20, 7):
            spread = 0.13 * distance + 0.004
            turn = angle + rng.uniform(-0.4, 0.4)
            at = [distance + rng.uniform(-0.01, 0.01), spread * np.cos(turn), spread * np.sin(turn) - 0.6 * distance**2]
            _seen(nozzle, mujoco.mjtGeom.mjGEOM_ELLIPSOID, "water", pos=at, size=[0.007, 0.003, 0.003])


def _handle(can) -> None:
    handle = can.add_body(name="spray_handle", pos=[GAP / 2 - HANDLE_HALF, 0, GRASP_HEIGHT + 0.002])
    handle.add_joint(
        name="spray", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[-1, 0, 0], range=[0, TRAVEL], limited=True,
        stiffness=STIFFNESS, springref=-PRELOAD / STIFFNESS, damping=4.0, armature=0.02, solref_limit=[0.004, 1.0],
    )  # fmt: skip
    plate = {"size": [HANDLE_HALF, 0.014, 0.017]}
    geom = _felt(handle, mujoco.mjtGeom.mjGEOM_BOX, **plate)
    geom.mass = 0.02
    _seen(handle, mujoco.mjtGeom.mjGEOM_BOX, "spray_handle", **plate)
    _seen(handle, mujoco.mjtGeom.mjGEOM_CYLINDER, "can_trim", fromto=[-0.018, 0, 0, -0.004, 0, 0], size=[0.004, 0, 0])


def _felt(body, kind, **shape):
    geom = body.add_geom(type=kind, group=HIDDEN, mass=0, **shape)
    contacts.set_object(geom, rolling=0.001)
    geom.condim = 4
    return geom


def _seen(body, kind, material, **shape):
    return body.add_geom(type=kind, group=VISUAL, material=material, contype=0, conaffinity=0, mass=0, **shape)


def _rounded(profile, passes: int = 2) -> np.ndarray:
    """Corners of a profile (N, 2) cut twice each pass; its ends stay."""
    points = np.array(profile, dtype=float)
    for _ in range(passes):
        first, second = points[:-1], points[1:]
        cut = np.stack([0.75 * first + 0.25 * second, 0.25 * first + 0.75 * second], axis=1).reshape(-1, 2)
        points = np.concatenate([points[:1], cut[1:-1], points[-1:]])
    return points
