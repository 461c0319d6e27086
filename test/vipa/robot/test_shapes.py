"""The collision shapes of every robot enclose what is seen of it: nothing that can touch is unknown to the gate."""

from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vipa import resources
from vipa.robot.description import load_robot

TOLERANCE = 1e-6  # metres


def numbers(text):
    return [float(v) for v in text.split()]


def shapes(link, kind):
    """Origins (position, rotation) and geometry elements of a link's `kind`."""
    for element in link.findall(kind):
        origin = element.find("origin")
        yield (
            np.array(numbers(origin.get("xyz"))),
            Rotation.from_euler("xyz", numbers(origin.get("rpy"))),
            next(iter(element.find("geometry"))),
        )


def surface(geometry):
    """Points (N, 3) on the surface of a primitive, in its own frame: edges and corners, where it reaches furthest."""
    if geometry.tag == "box":
        half = np.array(numbers(geometry.get("size"))) / 2
        grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 3), -1).reshape(-1, 3)
        return grid[np.abs(grid).max(axis=1) == 1] * half
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = float(geometry.get("radius"))
    ring = np.column_stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)])
    if geometry.tag == "cylinder":
        half = float(geometry.get("length")) / 2
        return np.vstack([ring * radius + [0, 0, z] for z in np.linspace(-half, half, 5)])
    assert geometry.tag == "sphere", geometry.tag
    latitudes = np.linspace(-np.pi / 2, np.pi / 2, 17)
    return radius * np.vstack([ring * np.cos(t) + [0, 0, np.sin(t)] for t in latitudes])


def inside(geometry, points):
    """(N,) bool: which points (N, 3), in the primitive's frame, lie in it."""
    if geometry.tag == "box":
        return np.all(np.abs(points) <= np.array(numbers(geometry.get("size"))) / 2 + TOLERANCE, axis=1)
    radius = float(geometry.get("radius")) + TOLERANCE
    if geometry.tag == "sphere":
        return np.linalg.norm(points, axis=1) <= radius
    return (np.hypot(*points[:, :2].T) <= radius) & (
        np.abs(points[:, 2]) <= float(geometry.get("length")) / 2 + TOLERANCE
    )


@pytest.mark.parametrize("name", resources.names("config/robots"))
def test_collision_shapes_enclose_the_visible_ones(name):
    root = ElementTree.parse(load_robot(name).urdf_path).getroot()
    outside = []
    for link in root.findall("link"):
        felt = list(shapes(link, "collision"))
        for i, (position, turn, geometry) in enumerate(shapes(link, "visual")):
            points = turn.apply(surface(geometry)) + position
            covered = np.zeros(len(points), bool)
            for at, rotation, shape in felt:
                covered |= inside(shape, rotation.inv().apply(points - at))
            if not covered.all():
                outside.append(f"{link.get('name')} visual {i}: {points[~covered][0].round(4)}")
    assert not outside, outside
