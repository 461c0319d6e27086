"""Apple, banana and plum: shapes that roll little, weigh what fruits weigh and fit an 8 cm gripper.

What collides is a ball or a chain of capsules; what is seen is a mesh within 2 mm of it.
"""

import mujoco
import numpy as np

from vipa_sim import contacts, shapes, textures
from vipa_sim.robot_model import HIDDEN, VISUAL

APPLE_RADIUS, APPLE_MASS = 0.036, 0.18
PLUM_RADIUS, PLUM_MASS = 0.024, 0.05
BANANA_RADIUS, BANANA_LENGTH, BANANA_MASS = 0.017, 0.17, 0.12
BANANA_BEND = 0.12  # metres, radius of its arc


def banana_points(count: int = 4) -> np.ndarray:
    """Points (count, 3) on the banana's centre line in its own frame: the middle is the origin, x runs along it."""
    return _arc(BANANA_LENGTH / 2 - BANANA_RADIUS * 1.4, count)


def add_fruit(spec: mujoco.MjSpec) -> None:
    """Free bodies `apple`, `banana`, `plum`, each with a free joint `<name>_free`."""
    apple = _body(spec, "apple", APPLE_RADIUS)
    _ball(apple, APPLE_RADIUS, APPLE_MASS)
    _look(spec, apple, shapes.revolve(_apple_profile()), _apple_skin())
    _stem(apple, [0, 0, 0.026], [0.004, 0.001, 0.043], 0.0016)

    banana = _body(spec, "banana", BANANA_RADIUS)
    points = banana_points()
    for first, second in zip(points[:-1], points[1:]):
        geom = banana.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=[*first, *second], size=[BANANA_RADIUS, 0, 0],
            mass=BANANA_MASS / (len(points) - 1), group=HIDDEN,
        )  # fmt: skip
        contacts.set_object(geom, rolling=0.001)
        geom.condim = 4  # three capsules in a curve do not roll: fewer rows for the solver
    line = _arc(BANANA_LENGTH / 2, 40)
    _look(spec, banana, shapes.tube(line, _banana_radii(len(line)), 18), _banana_skin())

    plum = _body(spec, "plum", PLUM_RADIUS)
    _ball(plum, PLUM_RADIUS, PLUM_MASS)
    _look(spec, plum, shapes.revolve(_plum_profile()), _plum_skin())
    _stem(plum, [0, 0, 0.020], [0.002, 0, 0.029], 0.0012)


def _arc(half_length: float, count: int) -> np.ndarray:
    angles = np.linspace(-half_length / BANANA_BEND, half_length / BANANA_BEND, count)
    return BANANA_BEND * np.stack([np.sin(angles), 1 - np.cos(angles), np.zeros(count)], axis=1)


def _body(spec, name, height):
    body = spec.worldbody.add_body(name=name, pos=[0, 0, height])
    body.add_freejoint(name=f"{name}_free")
    return body


def _ball(body, radius, mass) -> None:
    geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[radius, 0, 0], mass=mass, group=HIDDEN)
    contacts.set_object(geom, rolling=0.002)


def _look(spec, body, shape, skin) -> None:
    shapes.add_mesh(spec, body.name, shape)
    textures.add_texture(spec, f"{body.name}_skin", skin)
    textures.add_material(spec, body.name, [1, 1, 1, 1], f"{body.name}_skin", specular=0.35, shininess=0.4)
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH, meshname=body.name, material=body.name,
        contype=0, conaffinity=0, group=VISUAL, mass=0,
    )  # fmt: skip


def _stem(body, start, end, radius) -> None:
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=[*start, *end], size=[radius, 0, 0], rgba=[0.28, 0.19, 0.10, 1],
        contype=0, conaffinity=0, group=VISUAL, mass=0,
    )  # fmt: skip


def _apple_profile(count: int = 24) -> np.ndarray:
    angle = np.linspace(0, np.pi, count)  # from the bottom
    dent = 1 - 0.32 * np.exp(-(((np.pi - angle) / 0.38) ** 2))
    radius = APPLE_RADIUS * dent * (1 + 0.03 * np.sin(angle) ** 2)
    return np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1)


def _plum_profile(count: int = 20) -> np.ndarray:
    angle = np.linspace(0, np.pi, count)
    radius = PLUM_RADIUS * (1 - 0.12 * np.exp(-(((np.pi - angle) / 0.3) ** 2)))
    return np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1)


def _banana_radii(count: int) -> np.ndarray:
    along = np.linspace(-1, 1, count)
    body = BANANA_RADIUS * np.clip(1 - np.abs(along) ** 7, 0, 1) ** 0.5
    stalk = np.where(along > 0.86, 0.0048, 0.0)
    radii = np.maximum(body, stalk)
    radii[[0, -1]] = 0.0005, 0.0035
    return radii


def _apple_skin(height: int = 64, width: int = 128) -> np.ndarray:
    """Red with pale streaks that run from the stem, yellow about it."""
    rng = np.random.default_rng(11)
    v = np.linspace(0, 1, height)[:, None, None]
    streaks = rng.uniform(0, 1, width)
    streaks = (streaks + np.roll(streaks, 1) + np.roll(streaks, 2)) / 3
    pale = np.clip((v - 0.55) * 2.2, 0, 1) * np.clip(streaks[None, :, None] * 1.6 - 0.5, 0, 1)
    crown = np.exp(-(((v - 0.97) / 0.07) ** 2))
    red, gold, green = (np.array(c) for c in ((0.72, 0.07, 0.08), (0.90, 0.55, 0.20), (0.72, 0.66, 0.22)))
    image = red * (1 - pale) + gold * pale
    return _bytes(image * (1 - crown) + green * crown)


def _banana_skin(height: int = 128, width: int = 48) -> np.ndarray:
    """Yellow, greener towards the stalk, brown specks, dark ends."""
    rng = np.random.default_rng(12)
    v = np.linspace(0, 1, height)[:, None, None]
    yellow, green, dark = (np.array(c) for c in ((0.96, 0.80, 0.16), (0.74, 0.76, 0.20), (0.20, 0.13, 0.07)))
    greener = np.clip((v - 0.82) / 0.12, 0, 1)
    image = yellow * (1 - greener) + green * greener + np.zeros((1, width, 1))
    specks = rng.uniform(0, 1, (height, width)) > 0.988
    image[specks] = 0.45 * image[specks] + 0.55 * np.array([0.45, 0.28, 0.10])
    ends = np.clip((0.045 - v) / 0.02, 0, 1) + np.clip((v - 0.975) / 0.012, 0, 1)
    return _bytes(image * (1 - ends) + dark * ends)


def _plum_skin(height: int = 64, width: int = 64) -> np.ndarray:
    """Purple with a pale bloom and the crease down one side."""
    rng = np.random.default_rng(13)
    u = np.linspace(0, 1, width)[None, :, None]
    bloom = rng.uniform(0, 1, (height // 8, width // 8)).repeat(8, axis=0).repeat(8, axis=1)[..., None]
    crease = np.exp(-(((u - 0.5) / 0.02) ** 2))
    purple, pale, deep = (np.array(c) for c in ((0.36, 0.10, 0.36), (0.48, 0.26, 0.52), (0.20, 0.04, 0.20)))
    image = purple + (pale - purple) * 0.35 * bloom
    return _bytes(image * (1 - crease) + deep * crease)


def _bytes(image: np.ndarray) -> np.ndarray:
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)
