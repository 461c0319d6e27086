"""The file of `vipa evaluate --out`: a scorecard a line with what defined its trial, so that a call goes on where one stopped."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from vipa import config, documents
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks import scorecard
from vipa.tasks.scorecard import Scorecard
from vipa.tasks.task import load_task
from vipa_sim.trials import Trial


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that defines a trial but its seed. task_sha256, robot_sha256: fingerprints of the files; checkpoint_sha256: of the
    policy's weights. The others as in Trial."""

    task: str
    task_sha256: str
    robot_sha256: str
    policy: str
    checkpoint_sha256: str
    variant: str
    delay_s: float | None
    noise: float
    precision: str
    backend: str
    device: str
    fixed_cameras: bool
    camera_noise: bool


def settings_of(trial: Trial, served_sha256: str = "") -> Settings:
    """The settings of `trial`. served_sha256: what a served policy's server says of its checkpoint. Raises VipaError."""
    task = load_task(trial.task)
    policy = scorecard.policy_id(trial.policy, served_sha256)
    return Settings(
        task.name, config.fingerprint(task), config.fingerprint(load_robot(task.robot)), trial.policy,
        policy.checkpoint_sha256 if policy else "", trial.variant, trial.delay_s, trial.noise,
        **dataclasses.asdict(trial.inference), fixed_cameras=trial.fixed_cameras, camera_noise=trial.camera_noise,
    )  # fmt: skip


def read(path: Path, settings: Settings) -> dict[int, Scorecard]:
    """The scorecards in `path` by seed; empty without such a file. What ended as an error is left out: it is to be run again.

    Raises VipaError for a line that cannot be read, or is of a trial with other settings, and names what differs.
    """
    if not path.exists():
        return {}
    found = {}
    for number, text in enumerate(documents.read_text(path).splitlines(), 1):
        where = f"{path}:{number}"
        line = config.build(documents.parse_json(text, where), dict, where)
        if "trial" not in line:
            raise VipaError(f"{where}: says nothing of its trial; name another file with --out")
        there = config.build(line.pop("trial"), Settings, f"{where}: trial")
        other = [f.name for f in dataclasses.fields(Settings) if getattr(there, f.name) != getattr(settings, f.name)]
        if other:
            told = "; ".join(f"{key} {getattr(there, key)!r}, not {getattr(settings, key)!r}" for key in other)
            raise VipaError(f"{where}: is of other trials: {told}; name another file with --out")
        card = scorecard.from_dict(line, where)
        if card.outcome != "error":
            found[card.seed] = card
    return found


def append(path: Path, card: Scorecard, settings: Settings) -> None:
    """Adds a line. Raises VipaError."""
    line = json.dumps(scorecard.to_dict(card) | {"trial": dataclasses.asdict(settings)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise VipaError(f"{path}: {error.strerror}") from None


def same_error(cards: Sequence[Scorecard]) -> str:
    """What the last two of `cards` ended with, if that was one and the same error: every other trial will meet it too. Else ''."""
    if len(cards) < 2 or any(c.outcome != "error" or c.failure is None for c in cards[-2:]):
        return ""
    first, second = (c.failure for c in cards[-2:])
    return f"{second.type}: {second.detail}" if (first.type, first.detail) == (second.type, second.detail) else ""
