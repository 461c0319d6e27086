"""Meshes of a URDF as convex pieces: what the gate measures distances between, and MuJoCo collides."""

import struct
from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from vipa.errors import VipaError

FILL = 0.75  # share of its hull that a piece fills, from which it is not cut any more
MOST = 8  # pieces of a mesh
KINDS = (".stl", ".obj")
MAX_TRIANGLES = 2_000_000


def read(path: Path) -> np.ndarray:
    """(F, 3, 3) float64: the triangles of an STL or OBJ file, in its own units. Raises VipaError for another kind, or a file that is none."""
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise VipaError(
            f"{path}: meshes of kind '{kind}'; allowed: {', '.join(KINDS)} (convert it, with Blender for instance)"
        )
    try:
        data = path.read_bytes()
        triangles = _obj(data.decode("utf-8", "replace")) if kind == ".obj" else _stl(data)
    except OSError as error:
        raise VipaError(f"{path}: {error.strerror}") from None
    except (ValueError, IndexError, struct.error) as error:
        raise VipaError(f"{path}: no readable {kind[1:].upper()} file: {error}") from None
    if not len(triangles) or len(triangles) > MAX_TRIANGLES or not np.all(np.isfinite(triangles)):
        raise VipaError(f"{path}: {len(triangles)} triangles; allowed: 1 to {MAX_TRIANGLES}, of finite numbers")
    return triangles


def pieces(triangles: np.ndarray, most: int = MOST) -> list[tuple[np.ndarray, np.ndarray]]:
    """Convex hulls, vertices (V, 3) and faces (F, 3), that together hold all of `triangles` (F, 3, 3): one of the whole, or where it fills
    its hull badly, hulls of its halves across its longest axis, and so on, `most` at most.

    A part that is cut off keeps every triangle that reaches into it, so that neighbours overlap and nothing is left uncovered.
    """
    done: list[tuple[np.ndarray, np.ndarray]] = []
    open_ = [triangles]
    while open_:
        part = open_.pop(0)
        hull = _hull(part)
        if hull is None:
            continue
        filled = _volume(part) / max(hull[2], 1e-12)
        if filled >= FILL or len(done) + len(open_) + 2 > most or len(part) < 24:
            done.append(hull[:2])
            continue
        corners = part.reshape(-1, 3)
        centred = corners - corners.mean(axis=0)
        axis = (
            np.linalg.svd(centred, full_matrices=False)[2][0]
            if len(corners) < 30_000
            else np.eye(3)[np.argmax(np.ptp(corners, axis=0))]
        )
        along = part @ axis
        middle = (along.min() + along.max()) / 2
        halves = part[along.min(axis=1) <= middle], part[along.max(axis=1) >= middle]
        if any(len(half) == len(part) for half in halves):
            done.append(hull[:2])
            continue
        open_ += [_clipped(half, axis, middle, side) for half, side in zip(halves, (-1, 1), strict=True)]
    return done


def write(path: Path, hull: tuple[np.ndarray, np.ndarray]) -> None:
    """A hull as an OBJ file."""
    vertices, faces = hull
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices] + [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in faces]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _hull(part: np.ndarray):
    """(vertices, outward faces, volume), None for what has no volume."""
    try:
        hull = ConvexHull(part.reshape(-1, 3))
    except (QhullError, ValueError):
        return None
    renumber = np.full(len(hull.points), -1)
    renumber[hull.vertices] = np.arange(len(hull.vertices))
    faces, points = hull.simplices.copy(), hull.points
    inward = (
        np.einsum(
            "ij,ij->i",
            np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]]),
            hull.equations[:, :3],
        )
        < 0
    )
    faces[inward] = faces[inward][:, ::-1]
    return points[hull.vertices], renumber[faces], float(hull.volume)


def _volume(part: np.ndarray) -> float:
    """Of a closed surface; of an open one a rough share of it, never negative."""
    middle = part.reshape(-1, 3).mean(axis=0)
    a, b, c = (part[:, k] - middle for k in range(3))
    return abs(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum())) / 6


def _clipped(part: np.ndarray, axis: np.ndarray, middle: float, side: int) -> np.ndarray:
    """`part` with the corners that lie beyond the cut moved back along their triangle's edges onto it."""
    found = []
    for triangle in part:
        at = (triangle @ axis - middle) * side
        if np.all(at >= 0):
            found.append(triangle)
            continue
        kept = []
        for k in range(3):
            p, q, a, b = triangle[k], triangle[(k + 1) % 3], at[k], at[(k + 1) % 3]
            if a >= 0:
                kept.append(p)
            if (a >= 0) != (b >= 0):
                kept.append(p + (q - p) * (a / (a - b)))
        found += [np.array([kept[0], kept[k], kept[k + 1]]) for k in range(1, len(kept) - 1)]
    return np.array(found).reshape(-1, 3, 3)


def _stl(data: bytes) -> np.ndarray:
    count = struct.unpack_from("<I", data, 80)[0] if len(data) >= 84 else 0
    if len(data) == 84 + 50 * count and count:
        rows = np.frombuffer(data, np.dtype([("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")]), count, 84)
        return rows["v"].astype(float)
    words = [line.split() for line in data.decode("ascii", "replace").splitlines()]
    corners = [list(map(float, w[1:4])) for w in words if w[:1] == ["vertex"]]
    if not corners or len(corners) % 3:
        raise ValueError(f"{len(corners)} corners")
    return np.array(corners).reshape(-1, 3, 3)


def _obj(text: str) -> np.ndarray:
    vertices, triangles = [], []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["v"]:
            vertices.append(list(map(float, words[1:4])))
        elif words[:1] == ["f"]:
            numbers = [int(w.split("/")[0]) for w in words[1:]]
            corners = [vertices[n - 1 if n > 0 else n] for n in numbers]
            triangles += [[corners[0], corners[k], corners[k + 1]] for k in range(1, len(corners) - 1)]
    return np.array(triangles, float).reshape(-1, 3, 3)
