"""The report of a set of trials: report.html, one page that carries everything it shows, and the same as Markdown, CSV and JSON."""

import base64
import csv
import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from vipa import files
from vipa.evaluation.comparison import percent, span
from vipa.reporting import set_data, set_plots

EMBEDDED = 400  # film strips that stand in the page, some 15 kB each; of larger sets they are linked
CSV_COLUMNS = "column commander n successes rate rate_low rate_high score_mean score_low score_high".split()


def write(folder: Path) -> Path:
    """Writes report.html, .md, .csv and .json into the set's folder and returns the page. Raises VipaError."""
    folder = Path(folder)
    data = set_data.of_set(folder)
    files.write_json(folder / "report.json", data)
    files.write_bytes(folder / "report.md", markdown(data).encode())
    files.write_bytes(folder / "report.csv", table_csv(data).encode())
    files.write_bytes(folder / "report.html", page(folder, data).encode())
    return folder / "report.html"


def page(folder: Path, data: dict) -> str:
    """The HTML page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(percent=percent, span=span, number=_number, address=quote)
    names = list(data["commanders"])
    embed = len(data["trials"]) <= EMBEDDED
    return environment.get_template("set_report.html.j2").render(
        data,
        names=names,
        numbers={name: i % 6 for i, name in enumerate(names)},
        made=datetime.now().strftime("%Y-%m-%d %H:%M"),
        interval_plot=Markup(set_plots.intervals(data["commanders"])),  # noqa: S704  its parts are escaped
        funnel_rows={task: set_plots.funnel(steps) for task, steps in data["funnels"].items()},
        curve_plots=[Markup(set_plots.curves(task, times, names)) for task, times in data["times"].items()],  # noqa: S704
        several=set_data.several(data["comparisons"]),
        pairs=_by_pair(data["trials"]),
        strip=_strips(folder, embed),
    )


def markdown(data: dict) -> str:
    """The tables for a text: the paper's form, intervals, comparisons."""
    names, columns = list(data["commanders"]), list(data["columns"])
    lines = [f"# {data['folder']}", "", "Sub-tasks / whole tasks, per cent, with 95 % intervals.", ""]
    lines += [f"| commander | trials | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns)]
    for name in names:
        cells = [_cell(data["columns"][c].get(name)) for c in columns]
        lines.append(f"| {name} | {data['commanders'][name]['n']} | {' | '.join(cells)} |")
    lines += ["", *(f"- {one['says']}." for one in data["comparisons"])]
    lines += [f"- {one['preference']}." for one in data["comparisons"] if one["preference"]]
    if note := set_data.several(data["comparisons"]):
        lines += ["", f"{note}."]
    if data["void"]:
        lines += ["", "Do not count: " + ", ".join(f"{v['trial_id']} ({v['verdict']})" for v in data["void"]) + "."]
    if data["cell"] == "sim":
        lines += ["", "Simulated: no rate here says how a real robot would do."]
    return "\n".join(lines) + "\n"


def table_csv(data: dict) -> str:
    """A line a task, variant and commander."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for column, by_name in data["columns"].items():
        for name, one in by_name.items():
            ends = [*one["ci95"]], [*(one["score_ci95"] or ("", ""))]
            writer.writerow(
                [column, name, one["n"], one["successes"], one["rate"], *ends[0], one["score_mean"], *ends[1]]
            )
    return out.getvalue()


def _cell(one: dict | None) -> str:
    if one is None:
        return "–"
    return f"{100 * one['score_mean']:.0f}/{100 * one['rate']:.0f} ({span(one['score_ci95'])} / {span(one['ci95'])})"


def _by_pair(trials: list[dict]) -> list[list[dict]]:
    """Trials of one scene card side by side, in the order in which the cards were met."""
    found: dict = {}
    for trial in trials:
        found.setdefault(trial["pair_id"] or trial["trial_id"], []).append(trial)
    return list(found.values())


def _strips(folder: Path, embed: bool) -> Callable[[dict], str | None]:
    """What gives the source of a trial's film strip, None: it has none."""

    def source(trial: dict) -> str | None:
        path = next((p for p in trial["files"] if p.endswith("/strip.jpg")), None)
        if path is None or not embed:
            return path and quote(path)
        return f"data:image/jpeg;base64,{base64.b64encode((folder / path).read_bytes()).decode()}"

    return source


def _number(value, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
