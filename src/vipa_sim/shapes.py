"""Meshes made from curves: bodies of revolution and tubes, with texture coordinates."""

import mujoco
import numpy as np


def tube(points: np.ndarray, radii: np.ndarray, sides: int = 20) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A closed round tube along `points` (N, 3) with `radii` (N,), metres.

    Returns vertices (V, 3), faces (F, 3) and texture coordinates (V, 2): u around, v along the length, both 0..1.
    The curve must not run along y.
    """
    count = len(points)
    tangents = np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    across = np.cross(tangents, [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    up = np.cross(tangents, across)
    # the seam's vertices are doubled, so that the texture does not run backwards over the last strip
    angles = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.cos(angles)[None, :, None] * across[:, None] + np.sin(angles)[None, :, None] * up[:, None]
    vertices = points[:, None] + radii[:, None, None] * ring
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    u, v = np.meshgrid(angles / (2 * np.pi), length / length[-1])
    i, j = np.meshgrid(np.arange(count - 1), np.arange(sides), indexing="ij")
    a, b = (i * (sides + 1) + j).ravel(), (i * (sides + 1) + j + 1).ravel()
    c, d = a + sides + 1, b + sides + 1
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([b, d, c], axis=1)])
    return vertices.reshape(-1, 3), faces, np.stack([u.ravel(), v.ravel()], axis=1)


def revolve(profile: np.ndarray, sides: int = 28) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A body of revolution about z from `profile` (N, 2): radius and height, metres, from bottom to top.

    Returns what `tube` returns.
    """
    angles = np.linspace(0, 2 * np.pi, sides + 1)
    radius, height = profile[:, :1], profile[:, 1:]
    vertices = np.stack(
        [radius * np.cos(angles), radius * np.sin(angles), np.repeat(height, sides + 1, axis=1)], axis=2
    )
    u, v = np.meshgrid(angles / (2 * np.pi), np.linspace(0, 1, len(profile)))
    i, j = np.meshgrid(np.arange(len(profile) - 1), np.arange(sides), indexing="ij")
    a, b = (i * (sides + 1) + j).ravel(), (i * (sides + 1) + j + 1).ravel()
    c, d = a + sides + 1, b + sides + 1
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([b, d, c], axis=1)])
    return vertices.reshape(-1, 3), faces, np.stack([u.ravel(), v.ravel()], axis=1)


def placed(shape, position, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`shape`, what `tube` returns, at position (3,) and turned by rotation (3, 3)."""
    vertices, faces, texture = shape
    return vertices @ rotation.T + position, faces, texture


def joined(shapes: list) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Several of what `tube` returns as one: OpenGL takes as long to begin to draw a mesh as to draw a hundred triangles of it."""
    starts = np.cumsum([0, *(len(vertices) for vertices, _, _ in shapes[:-1])])
    faces = [faces + start for (_, faces, _), start in zip(shapes, starts, strict=True)]
    return np.concatenate([s[0] for s in shapes]), np.concatenate(faces), np.concatenate([s[2] for s in shapes])


def add_mesh(spec: mujoco.MjSpec, name: str, shape) -> None:
    """Mesh `name` from what `tube` or `revolve` returns. For looks only: nothing collides with it."""
    vertices, faces, texture = shape
    mesh = spec.add_mesh(name=name)
    mesh.uservert = vertices.ravel()
    mesh.userface = faces.ravel().astype(int)
    mesh.usertexcoord = texture.ravel()
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
