"""The folder that an episode leaves: runs/<time>-<task>-<id>/, with runs/latest pointing at the newest."""

import dataclasses
import json
import shutil
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vipa import files
from vipa.errors import VipaError
from vipa.tasks import scorecard
from vipa.tasks.scorecard import Scorecard

LATEST = "latest"
PIXEL_BYTES = 5  # of a pixel: colour and depth
PACKED_RATIO = 6.5  # raw over packed bytes of rendered pictures, measured: recording/bag.py
FIXED_BYTES = 64 << 20  # bytes for logs, video and report


@dataclass(frozen=True)
class RunFolder:
    """Paths in the run folder `path`. Every file here is written whole or not at all."""

    path: Path

    @property
    def bag(self) -> Path:
        return self.path / "bag"

    @property
    def scorecard(self) -> Path:
        return self.path / "scorecard.json"

    @property
    def scene(self) -> Path:
        return self.path / "scene.json"

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def video(self) -> Path:
        return self.path / "video.mp4"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def write_config(self, **parts) -> None:
        """config.yaml: the resolved configuration, a section a keyword; dataclasses become mappings."""
        files.write_yaml(self.config, {key: _plain(value) for key, value in parts.items()})

    def write_scene(self, card) -> None:
        """scene.json from the cell's scene card: a mapping, a dataclass or its JSON text."""
        files.write_json(self.scene, json.loads(card) if isinstance(card, str) else _plain(card))

    def write_scorecard(self, card: Scorecard) -> None:
        if problem := scorecard.save(card, self.path):
            raise VipaError(problem)


def new_episode_id() -> str:
    """A new UUID that joins trial, bag, video, score and timings."""
    return str(uuid.uuid4())


def create(base: Path, task: str, episode_id: str, now: datetime) -> RunFolder:
    """Makes `base`/<time>-<task>-<id>/ and points `base`/latest at it. now: local wall-clock time, for the name only.

    Keeps space for the scorecard. Raises VipaError if `base` can't be written.
    """
    base = Path(base)
    if base.exists() and not base.is_dir():
        raise VipaError(f"{base}: is a file; allowed: a folder, which is made where there is none")
    path = base / f"{now:%Y%m%d-%H%M%S}-{task}-{episode_id[:8]}"
    try:
        path.mkdir(parents=True, exist_ok=False)
        latest = base / LATEST
        if latest.exists() and not latest.is_symlink():
            raise VipaError(f"{latest}: is not a link; move it away, it shall point at the newest run")
        files.point_link(latest, path)
    except OSError as error:
        raise files.disk_error(path, error) from None
    scorecard.reserve(path)
    return RunFolder(path)


def check_space(base: Path, robot, cell: str, seconds: float) -> None:
    """Raises VipaError if the disk of `base` has no room for an episode of `seconds` with all cameras of `robot`: colour and depth as
    they come in a real cell, whose noise no packing removes for sure; as they are packed in a simulated one."""
    place = files.disk_of(base)
    raw = sum(c.width * c.height * PIXEL_BYTES * c.rate for c in robot.cameras)
    wanted = FIXED_BYTES + seconds * (raw if cell == "real" else raw / PACKED_RATIO)
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        raise files.disk_error(base, error) from None
    if free < wanted:
        raise VipaError(
            f"{base}: disk {place} has {files.megabytes(free)} free; an episode of {seconds:g} s with {len(robot.cameras)} cameras may "
            f"take {files.megabytes(wanted)}; allowed: that much, another --out, or a shorter --time-limit"
        )


def _plain(value):
    """Dataclasses, tuples, paths and numpy values as what YAML and JSON know."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if hasattr(value, "tolist"):  # numpy array or scalar
        return value.tolist()
    return str(value) if isinstance(value, Path) else value
