"""Line plots as inline SVG, coloured by the page's style sheet (classes s0, s1, …), so that they follow light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 480, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 28
POINTS = 400  # more than this a line has no pixels for


@dataclass(frozen=True)
class Line:
    """label, x (N,) and y (N,); `peaks`: thinning keeps the largest of what it joins, not the middle."""

    label: str
    x: np.ndarray
    y: np.ndarray
    peaks: bool = False


def line_plot(
    title: str,
    unit: str,
    lines: Sequence[Line],
    x_range: tuple[float, float],
    marks: Sequence[float] = (),
    limit: float | None = None,
) -> str:
    """An <figure> with title, legend and plot over seconds `x_range`. marks: dashed verticals. limit: a dashed level.

    y starts at 0 where nothing is negative. Values that are not finite leave gaps.
    """
    values = np.concatenate([ln.y[np.isfinite(ln.y)] for ln in lines] or [np.zeros(0)])
    if not len(values):
        return f"<figure><figcaption>{escape(title)}</figcaption><p class='none'>not recorded</p></figure>"
    low, high = min(0.0, float(values.min())), float(values.max())
    if limit is not None and high > 0.5 * limit:
        high = max(high, limit * 1.03)
    slack = 0.02 * (high - low)  # what is this little beyond a round number wants no tick of its own
    ticks = _ticks(low + slack, high - slack if high > low else low + 1.0, 4)
    low, high = min(ticks[0], low), max(ticks[-1], high)
    start, stop = x_range if x_range[1] > x_range[0] else (x_range[0], x_range[0] + 1.0)

    def px(x):
        return LEFT + (x - start) / (stop - start) * (WIDTH - LEFT - RIGHT)

    def py(y):
        return HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for tick in ticks:
        y = py(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    seconds = [tick for tick in _ticks(start, stop, 6) if start <= tick <= stop]
    for tick in seconds:
        label = f"{tick:g} s" if tick == seconds[-1] else f"{tick:g}"
        anchor = "end" if px(tick) > WIDTH - RIGHT - 12 else "middle"
        parts.append(f'<text x="{px(tick):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{label}</text>')
    parts.extend(
        f'<line class="mark" x1="{px(mark):.1f}" x2="{px(mark):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        for mark in marks
    )
    if limit is not None and low <= limit <= high:
        y = py(limit)
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="limit" x="{WIDTH - RIGHT}" y="{y - 4:.1f}" text-anchor="end">limit {limit:g}</text>'
        )
    for number, line in enumerate(lines):
        x, y = _thin(line, start, stop)
        for run in _runs(y):
            points = " ".join(f"{px(a):.1f},{py(b):.1f}" for a, b in zip(x[run], y[run], strict=True))
            parts.append(f'<polyline class="s{number % 6}" points="{points}"/>')
    parts.append("</svg>")
    legend = "".join(
        f'<span class="key s{n % 6}">{escape(ln.label)}</span>' for n, ln in enumerate(lines) if len(lines) > 1
    )
    caption = f"<figcaption>{escape(title)} <small>{escape(unit)}</small>{legend}</figcaption>"
    return f"<figure>{caption}{''.join(parts)}</figure>"


def _ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers from below `low` to above `high`."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def _thin(line: Line, start: float, stop: float) -> tuple[np.ndarray, np.ndarray]:
    """The line's part within [start, stop] in at most POINTS points."""
    inside = (line.x >= start) & (line.x <= stop)
    x, y = line.x[inside], line.y[inside]
    stride = -(-len(x) // POINTS)
    if stride <= 1:
        return x, y
    whole = len(x) // stride * stride
    blocks = y[:whole].reshape(-1, stride)
    if line.peaks:
        return x[:whole:stride], blocks.max(axis=1)
    return x[:whole:stride], blocks[:, 0]


def _runs(y: np.ndarray) -> list[slice]:
    """Slices of consecutive finite values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.isfinite(y).astype(int), [0]])))
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
