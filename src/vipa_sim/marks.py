"""What people leave on whiteboards, drawn with a marker: waves, loops, crosses, ticks, rings, figures."""

import numpy as np

from vipa_sim.ink import TEXEL

STROKE_WIDTH = 0.0045  # metres, of the marker's tip


def scribble(size, margin: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Ink (H, W) 0..1 of `count` marks of a marker, anywhere on a board of `size` (2,) metres, `margin` metres from its edges.

    The marks stand in cells of a grid of their own, so that they are spread and do not lie on each other.
    """
    size = np.asarray(size, float)
    image = np.zeros((round(size[1] / TEXEL), round(size[0] / TEXEL)))
    room = size - 2 * margin
    columns, rows = 3, 2
    for cell in rng.permutation(columns * rows)[:count]:
        box = room / [columns, rows]
        centre = (np.array([cell % columns, cell // columns]) + 0.5) * box - room / 2
        mark = MARKS[int(rng.integers(len(MARKS)))](rng)
        c, s = np.cos(turn := rng.uniform(-0.5, 0.5)), np.sin(turn)
        mark = mark @ np.array([[c, s], [-s, c]])
        low, high = np.nanmin(mark, axis=0), np.nanmax(mark, axis=0)
        fits = min(1.0, *((box - 2 * STROKE_WIDTH) / (high - low)))
        mark = (mark - (low + high) / 2) * fits
        slack = (box - 2 * STROKE_WIDTH - fits * (high - low)) / 2
        _stroke(image, mark + centre + rng.uniform(-slack, slack) + size / 2)
    return image


def _stroke(image: np.ndarray, points: np.ndarray) -> None:
    """Draws a polyline (N, 2), metres from the image's corner; rows of NaN lift the pen."""
    reach = STROKE_WIDTH / 2 + TEXEL
    for first, second in zip(points[:-1], points[1:]):
        if not np.isfinite([first, second]).all():
            continue
        low = np.maximum(np.floor((np.minimum(first, second) - reach) / TEXEL).astype(int), 0)
        high = np.minimum(np.ceil((np.maximum(first, second) + reach) / TEXEL).astype(int), image.shape[::-1])
        x, y = (TEXEL * (np.arange(low[k], high[k]) + 0.5) - first[k] for k in (0, 1))
        way = second - first
        along = np.clip((x[None] * way[0] + y[:, None] * way[1]) / max(way @ way, 1e-12), 0.0, 1.0)
        off = np.hypot(x[None] - along * way[0], y[:, None] - along * way[1])
        window = image[low[1] : high[1], low[0] : high[0]]
        np.maximum(window, np.clip((STROKE_WIDTH / 2 - off) / TEXEL + 0.5, 0.0, 1.0), out=window)


# What people leave on boards, some 8 cm wide: (N, 2) metres, rows of NaN lift the pen


def _wave(rng) -> np.ndarray:
    t = np.linspace(0, 1, 80)
    return np.stack([0.09 * t, rng.uniform(0.012, 0.022) * np.sin(2 * np.pi * rng.uniform(1.5, 2.6) * t)], axis=1)


def _loops(rng) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi * 3, 140)
    radius = rng.uniform(0.014, 0.020)
    return np.stack([0.0038 * t + radius * np.cos(t), 1.2 * radius * np.sin(t)], axis=1)


def _zigzag(rng) -> np.ndarray:
    count = int(rng.integers(4, 7))
    high = rng.uniform(0.02, 0.03)
    return np.stack([np.linspace(0, 0.085, count), high * (np.arange(count) % 2)], axis=1)


def _cross(rng) -> np.ndarray:
    half = rng.uniform(0.018, 0.026)
    lift = [[np.nan, np.nan]]
    return np.concatenate([[[-half, -half], [half, half]], lift, [[-half, half], [half, -half]]])


def _tick(rng) -> np.ndarray:
    size = rng.uniform(0.9, 1.3)
    return size * np.array([[0.0, 0.012], [0.014, 0.0], [0.050, 0.042]])


def _ring(rng) -> np.ndarray:
    t = np.linspace(0.2, 2 * np.pi + 0.5, 60)
    return np.stack([rng.uniform(0.022, 0.032) * np.cos(t), rng.uniform(0.016, 0.024) * np.sin(t)], axis=1)


def _sum(rng) -> np.ndarray:
    """Two figures and a line below them."""
    lift = [[np.nan, np.nan]]
    one = [[0.0, 0.030], [0.008, 0.040], [0.008, 0.010]]
    seven = [[0.022, 0.040], [0.042, 0.040], [0.028, 0.010]]
    return rng.uniform(0.9, 1.1) * np.concatenate([one, lift, seven, lift, [[-0.004, 0.0], [0.052, 0.0]]])


MARKS = (_wave, _loops, _zigzag, _cross, _tick, _ring, _sum)
