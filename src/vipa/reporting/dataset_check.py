"""What `vipa dataset check` found, as one HTML page with thumbnails that carries everything it shows."""

import base64
from collections import Counter
from pathlib import Path

import cv2
import jinja2
import numpy as np

from vipa import files
from vipa.dataset.check import Finding
from vipa.dataset.quality import verdicts
from vipa.dataset.reader import Dataset, DatasetEpisode
from vipa.errors import VipaError

HEIGHT = 96  # pixels of a thumbnail


def write_page(dataset: Dataset, findings: list[Finding], path: Path) -> None:
    """Writes the page of `dataset` to `path`."""
    found = verdicts(dataset, findings)
    rows = []
    for number, verdict in enumerate(found):
        episode = dataset.episode(number)
        rows.append(
            {
                "index": number,
                "verdict": verdict,
                "seconds": episode.length / episode.fps,
                "instruction": episode.instruction,
                "key": episode.key,
                "findings": [f.what for f in findings if f.where == f"episode {number}"],
                "thumbnails": [t for c in dataset.spec.cameras for t in _thumbnails(episode, c.name)],
            }
        )
    here = Path(__file__).parent
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(here), autoescape=True)
    page = environment.get_template("dataset_check.html.j2").render(
        name=dataset.root.resolve().name,
        css=(here / "report.css").read_text("utf-8"),
        robot=dataset.spec.robot_type,
        fps=dataset.spec.fps,
        frames=sum(row["length"] for row in dataset.rows),
        rows=rows,
        counts={"good": 0, "look": 0, "bad": 0} | Counter(found),
        general=[str(f) for f in findings if not f.where.startswith("episode ")],
    )
    files.write_bytes(path, page.encode())


def _thumbnails(episode: DatasetEpisode, camera: str) -> list[dict[str, str]]:
    shown = []
    for frame in sorted({0, episode.length // 2, episode.length - 1}):
        try:
            shown.append({"src": _jpeg(episode.images(camera, frame, 1)[0]), "alt": f"{camera}, frame {frame}"})
        except VipaError:
            return shown  # the findings say so
    return shown


def _jpeg(image: np.ndarray) -> str:
    width = round(image.shape[1] * HEIGHT / image.shape[0])
    small = cv2.resize(image, (width, HEIGHT), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
