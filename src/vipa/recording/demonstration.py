"""What a person said of a demonstration: demonstration.json in its run folder, and where discarded ones go."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vipa import config, documents, files
from vipa.errors import VipaError

FILE = "demonstration.json"
DISCARDED = "discarded"
SCHEMA = "vipa/demonstration/1"


@dataclass(frozen=True)
class Mark:
    """A moment that the person marked. stamp_ns: ROS time."""

    stamp_ns: int
    kind: str
    text: str = ""


@dataclass(frozen=True)
class Demonstration:
    """What a person said of one recorded demonstration: demonstration.json beside the bag.

    verdict: the person's word on the whole, "" while it runs and when he said nothing. operator: who drove. marks: in order.
    interventions: how often a person took over from the commander.
    """

    schema: Literal["vipa/demonstration/1"]
    episode_id: str
    task: str
    commander: str
    device: str
    operator: str
    verdict: Literal["", "success", "stopped", "discarded"] = ""
    marks: list[Mark] = field(default_factory=list)
    interventions: int = 0


def write(folder: Path, demonstration: Demonstration) -> None:
    """Writes it into the run folder, whole or not at all. Raises VipaError."""
    files.write_json(Path(folder) / FILE, dataclasses.asdict(demonstration))


def read(folder: Path) -> Demonstration | None:
    """That of the run folder; None if it is of no demonstration. Raises VipaError for a file that is none."""
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    return config.build(documents.read_json(path), Demonstration, str(path))


def discard(folder: Path) -> Path:
    """Moves the run folder into `discarded` beside it, and returns where it is now: kept apart, never deleted. Raises VipaError."""
    folder = Path(folder)
    place = folder.parent / DISCARDED
    try:
        place.mkdir(exist_ok=True)
        target = place / folder.name
        if target.exists():
            raise VipaError(f"{target}: is there already; {folder} stays where it is")
        folder.rename(target)
        latest = folder.parent / "latest"
        if latest.is_symlink() and not latest.exists():
            files.point_link(latest, target)
    except OSError as error:
        raise files.disk_error(place, error) from None
    return target
