"""Plots of a set's report as inline SVG, coloured by the page's style sheet (classes s0, s1, … a commander)."""

from collections.abc import Mapping
from html import escape

import numpy as np

from vipa.reporting.plots import Line, line_plot

WIDTH, ROW, LABEL = 640, 40, 150  # pixels: of the plot, of a commander's row, of its name


def intervals(commanders: Mapping[str, dict]) -> str:
    """A row a commander: its rate of whole tasks (dot) and its mean share of sub-tasks (diamond) with 95 % intervals, 0 to 100 %."""
    height = ROW * len(commanders) + 26
    scale = WIDTH - LABEL - 24

    def px(share: float) -> float:
        return LABEL + scale * share

    parts = [f'<figure><svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Rates with 95 % intervals">']
    for tick in range(0, 101, 20):
        x = px(tick / 100)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 20}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle">{tick}{" %" if tick == 100 else ""}</text>'
        )
    for i, (name, one) in enumerate(commanders.items()):
        y = 4 + ROW * i
        parts.append(
            f'<text x="{LABEL - 10}" y="{y + 24}" text-anchor="end" class="name">{escape(_short(name))}</text>'
        )
        for offset, value, ci, dot in (
            (13, one["rate"], one["ci95"], True),
            (28, one["score_mean"], one["score_ci95"], False),
        ):
            at, x = y + offset, px(value)
            if ci:
                parts.append(f'<line class="s{i % 6} bar{"" if dot else " thin"}" x1="{px(ci[0]):.1f}" x2="{px(ci[1]):.1f}" y1="{at}" y2="{at}"/>')  # fmt: skip
            title = f"<title>{escape(name)}: {100 * value:.0f} %</title>"
            parts.append(
                f'<circle class="s{i % 6} dot" cx="{x:.1f}" cy="{at}" r="5">{title}</circle>'
                if dot
                else f'<rect class="s{i % 6} dot" x="{x - 4:.1f}" y="{at - 4}" width="8" height="8" transform="rotate(45 {x:.1f} {at})">{title}</rect>'
            )
    return "".join([*parts, "</svg></figure>"])


def funnel(steps: Mapping[str, list]) -> list[dict]:
    """Rows of a task's funnel: the sub-task, and a bar a commander (its number, per cent, tooltip)."""
    names = list(dict.fromkeys(row[0] for rows in steps.values() for row in rows))
    found = []
    for name in names:
        bars = []
        for commander, rows in steps.items():
            done, n = next(((d, n) for s, d, n in rows if s == name), (0, 0))
            bars.append({"commander": commander, "done": done, "n": n, "percent": 100 * done / n if n else 0.0})
        found.append({"name": name, "bars": bars})
    return found


def curves(task: str, times: dict, order: list[str]) -> str:
    """Share of trials that had succeeded by t seconds, a step a success."""
    lines = []
    for name in order:
        curve = times["commanders"].get(name, {"t": [], "share": []})
        t, share = np.asarray(curve["t"], float), 100 * np.asarray(curve["share"], float)
        x = np.repeat(t, 2)[1:] if len(t) else t
        y = np.repeat(share, 2)[:-1] if len(t) else share
        lines.append(Line(name, x, y))
    return line_plot(f"{task}: succeeded by", "% of trials", lines, (0.0, times["limit_s"]))


def _short(name: str) -> str:
    return name if len(name) <= 20 else name[:19] + "…"
