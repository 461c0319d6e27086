"""Episodes of a dataset as one HTML page that carries everything it shows: video of every camera, depth, and plots, on one clock."""

import base64
import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np

from vipa import files
from vipa.dataset.features import IMAGES
from vipa.dataset.reader import Dataset, DatasetEpisode
from vipa.dataset.segment import Segment, at_key_frames, join
from vipa.dataset.video import VideoWriter
from vipa.reporting.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, line_plot

LINES = 4  # in a plot
BLOCK = 32  # depth pictures that are decoded at once
FAR_MM = 2000.0  # depth from which on the colour stays the same
DEPTH_WIDTH = 320  # pixels that depth is shown at, at most
NOT_PLOTTED = ("stamp_ns", "observation.stamp_ns", "subtask_index", "intervention", "target", "tip")
KINDS = {  # last part of an element's name → what its plot is called, and the unit
    **dict.fromkeys(("x", "y", "z"), ("position", "m")),
    **dict.fromkeys(("qx", "qy", "qz", "qw"), ("orientation", "quaternion")),
    **dict.fromkeys(("vx", "vy", "vz"), ("velocity", "m/s")),
    **dict.fromkeys(("fx", "fy", "fz"), ("force", "N")),
    **dict.fromkeys(("tx", "ty", "tz"), ("torque", "Nm")),
}


def write_page(
    dataset: Dataset,
    episodes: Iterable[int],
    path: Path,
    depth: bool = True,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Writes the page of `episodes` to `path`. depth: with depth in colours beside the pictures.

    Raises VipaError for an episode that is not there or a file that cannot be read.
    """
    chosen = list(episodes)
    shown = []
    for done, number in enumerate(chosen):
        shown.append(_episode(dataset, dataset.episode(number), depth))
        if progress:
            progress((done + 1) / len(chosen))
    here = Path(__file__).parent
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(here), autoescape=True)
    page = environment.get_template("dataset_show.html.j2").render(
        name=dataset.root.resolve().name,
        css=(here / "report.css").read_text("utf-8") + (here / "dataset_show.css").read_text("utf-8"),
        script=(here / "dataset_show.js").read_text("utf-8"),
        robot=dataset.spec.robot_type,
        fps=dataset.spec.fps,
        count=len(dataset),
        frames=sum(row["length"] for row in dataset.rows),
        lost=dataset.lost,
        episodes=shown,
        plot={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
    )
    files.write_bytes(path, page.encode())


def _episode(dataset: Dataset, episode: DatasetEpisode, depth: bool) -> dict[str, Any]:
    series, plots = _plots(dataset, episode)
    known = {k: episode.meta.get(k) for k in ("seed", "variant", "outcome", "commander", "recorded", "run_folder")}
    return {
        "index": episode.index,
        "key": episode.key,
        "instruction": episode.instruction,
        "length": episode.length,
        "seconds": episode.length / episode.fps,
        "facts": [f"{k} {v}" for k, v in known.items() if v not in (None, "")],
        "videos": _videos(dataset, episode, depth),
        "strips": _strips(dataset, episode),
        "plots": plots,
        "data": _json({"fps": episode.fps, "length": episode.length, "series": series}),
    }


def _videos(dataset: Dataset, episode: DatasetEpisode, depth: bool) -> list[dict[str, str]]:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for camera in dataset.spec.cameras:
            first = round(episode.row[f"videos/{IMAGES}{camera.name}/from_timestamp"] * episode.fps)
            whole = Segment(episode.video_path(camera.name), first, episode.length)
            out = Path(folder) / f"{camera.name}.mp4"
            join(at_key_frames(whole, episode.fps, "color", Path(folder), camera.name), episode.fps, out)
            found.append({"label": camera.name, "source": _data_uri(out)})
            if depth and camera.depth:
                out = Path(folder) / f"{camera.name}.depth.mp4"
                _depth_video(episode, camera.name, out)
                found.append({"label": f"{camera.name}, depth to {FAR_MM / 1000:g} m", "source": _data_uri(out)})
    return found


def _depth_video(episode: DatasetEpisode, camera: str, out: Path) -> None:
    """Depth in colours, near ones warm, black where nothing was measured."""
    writer = None
    for begin in range(0, episode.length, BLOCK):
        for image in episode.depth(camera, begin, min(BLOCK, episode.length - begin)):
            step = max(1, -(-image.shape[1] // DEPTH_WIDTH))
            small = image[::step, ::step]
            small = small[: small.shape[0] // 2 * 2, : small.shape[1] // 2 * 2]
            level = (255 * (1 - np.clip(small / FAR_MM, 0, 1))).astype(np.uint8)
            coloured = cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
            coloured[small == 0] = 0
            writer = writer or VideoWriter(out, *small.shape, episode.fps)
            writer.add(coloured)
    writer.close()


def _strips(dataset: Dataset, episode: DatasetEpisode) -> list[dict[str, Any]]:
    """Bars under the slider: sub-tasks, and who drove, as parts of the episode's length."""
    found = []
    if "subtask_index" in episode.table.column_names and dataset.subtasks:
        names = [dataset.subtasks[int(n)] for n in np.ravel(episode["subtask_index"])]
        found.append({"label": "sub-task", "parts": _parts(names)})
    if "intervention" in episode.table.column_names:
        flags = np.ravel(episode["intervention"])
        if flags.any():
            found.append({"label": "who drove", "parts": _parts(["person" if f else "commander" for f in flags])})
    return found


def _parts(names: list[str]) -> list[dict[str, Any]]:
    edges = [0, *(k for k in range(1, len(names)) if names[k] != names[k - 1]), len(names)]
    order = list(dict.fromkeys(names))
    return [
        {"name": names[a], "share": 100 * (b - a) / len(names), "colour": order.index(names[a]) % 6}
        for a, b in zip(edges, edges[1:], strict=False)
    ]


def _plots(dataset: Dataset, episode: DatasetEpisode) -> tuple[dict[str, list[float]], list[dict[str, Any]]]:
    """Numbers by series (feature/element), and plots with the series that each shows."""
    series, plots = {}, []
    times = np.arange(episode.length) / episode.fps
    for name, feature in dataset.spec.features.items():
        if name in NOT_PLOTTED or name not in episode.table.column_names:
            continue
        values = episode[name].reshape(episode.length, -1).astype(float)
        for (group, kind, unit), places in _families(feature.names).items():
            for first in range(0, len(places), LINES):
                part = places[first : first + LINES]
                lines = [Line(feature.names[i].rpartition(".")[2], times, values[:, i]) for i in part]
                keys = [f"{name}/{feature.names[i]}" for i in part]
                series |= {key: np.round(values[:, i], 4).tolist() for key, i in zip(keys, part, strict=True)}
                title = " ".join(t for t in (name.removeprefix("observation."), group, kind) if t)
                figure = line_plot(title, unit, lines, (0.0, max(times[-1], 1 / episode.fps)))
                plots.append({"html": figure, "series": keys})
    return series, plots


def _families(names: Iterable[str]) -> dict[tuple[str, str, str], list[int]]:
    """Places of the elements that share a plot, by group, kind and unit."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for place, name in enumerate(names):
        group, _, last = name.rpartition(".")
        found.setdefault((group, *KINDS.get(last, ("joints", "rad; hand 0 to 1"))), []).append(place)
    return found


def _json(data: Any) -> str:
    """JSON that may stand in a script element."""
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c")


def _data_uri(path: Path) -> str:
    return f"data:video/mp4;base64,{base64.b64encode(path.read_bytes()).decode()}"
