"""The motion of a recorded episode: what every controller was told, on one grid of time."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipa.errors import VipaError
from vipa.recording.reader import NOT_AS_EXPECTED, BagReader
from vipa.recording.timeline import read_timeline
from vipa.recording.topic_names import command_topic
from vipa.robot.description import Group, Robot
from vipa.tasks import scorecard
from vipa.tasks.scorecard import Scorecard

DT_S = 0.02  # seconds between steps
MIN_STEPS = 10


@dataclass(frozen=True)
class Recorded:
    """joints: group → (T, J) rad or m, what its controller was told to reach, DT_S apart from the episode's start on. hands: group →
    (T, H) openings. Groups that were told nothing are left out."""

    folder: Path
    card: Scorecard
    joints: dict[str, np.ndarray]
    hands: dict[str, np.ndarray]

    @property
    def steps(self) -> int:
        return max(len(v) for v in (*self.joints.values(), *self.hands.values()))


def read_scorecard(folder: Path) -> Scorecard:
    """The scorecard of a run folder. Raises VipaError."""
    path = Path(folder) / "scorecard.json"
    if not path.is_file():
        raise VipaError(f"{folder}: no scorecard.json; allowed: a run folder of an episode or a demonstration")
    return scorecard.read(path)


def read_recorded(folder: Path, robot: Robot) -> Recorded:
    """The motion in the run folder `folder`. Raises VipaError for a bag of another robot, or without motion."""
    folder, card = Path(folder), read_scorecard(folder)
    with BagReader(folder / "bag") as bag:
        line = read_timeline(bag)
        span = (line.start_ns, line.end_ns)
        joints = {g.name: q for g in robot.groups if (q := _told(bag, g.controller, tuple(g.joints), span)) is not None}
        hands = {g.name: h for g in robot.groups if g.hand and (h := _openings(bag, g, span)) is not None}
    if not joints:
        controllers = ", ".join(g.controller for g in robot.groups)
        raise VipaError(
            f"{folder}/bag: no commands to {controllers} in the episode; was it recorded with robot '{card.robot}'?"
        )
    return Recorded(folder, card, joints, hands)


def _told(bag: BagReader, controller: str, names: tuple[str, ...], span: tuple[int, int]) -> np.ndarray | None:
    """(T, J) that the controller was told between the times `span` in ns, DT_S apart; None: nothing, or of other joints."""
    topic, times, rows = command_topic(controller), [], []
    if topic not in bag.topics:
        return None
    for message in bag.messages([topic]):
        try:
            order = [list(message.data.joint_names).index(name) for name in names]
            row = np.asarray(message.data.points[0].positions, float)[order]
            stamp = message.data.header.frame_id
            at = int(stamp) if stamp.isdigit() else message.log_time_ns
            if not np.all(np.isfinite(row)):
                raise ValueError("positions are not finite")
        except NOT_AS_EXPECTED as error:
            bag.skipped.add(topic, message.log_time_ns, f"not what this topic says ({error})")
            continue
        if span[0] <= at <= span[1] and (not times or at > times[-1]):
            times.append(at)
            rows.append(row)
    if len(rows) < MIN_STEPS:
        return None
    grid = np.arange(0.0, (times[-1] - span[0]) / 1e9, DT_S)
    since = (np.array(times) - span[0]) / 1e9
    return np.stack([np.interp(grid, since, column) for column in np.array(rows).T], axis=1)


def _openings(bag: BagReader, group: Group, span: tuple[int, int]) -> np.ndarray | None:
    told = _told(bag, group.hand.controller, tuple(group.hand.joints), span)
    if told is None:
        return None
    closed, opened = np.asarray(group.hand.closed, float), np.asarray(group.hand.open, float)
    return np.clip((told - closed) / (opened - closed), 0.0, 1.0)
