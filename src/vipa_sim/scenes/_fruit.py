"""Apple, banana and plum: shapes that roll little, weigh what fruits weigh and fit an 8 cm gripper."""

import mujoco
import numpy as np

from vipa_sim import contacts
from vipa_sim.robot_model import HIDDEN, VISUAL

APPLE_RADIUS, APPLE_MASS = 0.036, 0.18
PLUM_RADIUS, PLUM_MASS = 0.024, 0.05
BANANA_RADIUS, BANANA_LENGTH, BANANA_MASS = 0.017, 0.17, 0.12
BANANA_BEND = 0.12  # metres, radius of its arc


def banana_points(count: int = 6) -> np.ndarray:
    """Points (count, 3) along the banana's centre line in its own frame; the middle is the origin, x along it."""
    reach = (BANANA_LENGTH / 2 - BANANA_RADIUS * 0.7) / BANANA_BEND
    angles = np.linspace(-reach, reach, count)
    return np.stack([BANANA_BEND * np.sin(angles), BANANA_BEND * (1 - np.cos(angles)), np.zeros(count)], axis=1)


def add_fruit(spec: mujoco.MjSpec) -> None:
    """Free bodies `apple`, `banana`, `plum`."""
    apple = _body(spec, "apple", APPLE_MASS, APPLE_RADIUS)
    _ball(apple, APPLE_RADIUS, [0.78, 0.10, 0.09, 1])
    banana = _body(spec, "banana", BANANA_MASS, BANANA_RADIUS)
    points = banana_points()
    for first, second in zip(points[:-1], points[1:]):
        geom = banana.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=[*first, *second], size=[BANANA_RADIUS, 0, 0],
            mass=BANANA_MASS / (len(points) - 1), group=VISUAL, rgba=[0.95, 0.80, 0.15, 1],
        )  # fmt: skip
        contacts.set_object(geom, rolling=0.001)
    plum = _body(spec, "plum", PLUM_MASS, PLUM_RADIUS)
    _ball(plum, PLUM_RADIUS, [0.32, 0.12, 0.36, 1])


def _body(spec, name, mass, height):
    body = spec.worldbody.add_body(name=name, pos=[0, 0, height])
    body.add_freejoint(name=f"{name}_free")
    return body


def _ball(body, radius, rgba):
    mass = {"apple": APPLE_MASS, "plum": PLUM_MASS}[body.name]
    geom = body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[radius, 0, 0], mass=mass, group=VISUAL, rgba=rgba
    )
    contacts.set_object(geom, rolling=0.002)
