"""How alike two episodes went: joints, tools and hands over time, sub-tasks, durations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipa.commanders.replay.recorded import read_scorecard
from vipa.errors import VipaError
from vipa.recording.reader import NOT_AS_EXPECTED, BagReader, stamp_ns
from vipa.recording.timeline import read_timeline
from vipa.recording.topic_names import JOINT_STATES
from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics

DT_S = 0.02  # seconds
SHIFTS_S = np.arange(-0.3, 0.3001, DT_S)  # seconds by which the second may be later


@dataclass(frozen=True)
class Comparison:
    """shift_s: by which the second is later, taken out. joint_rms, joint_max: rad, over all groups' measured joints. worst: the joint
    of joint_max. tool_max: metres, by arm. subtasks: name → (status of the first, of the second). seconds: both durations."""

    shift_s: float
    joint_rms: float
    joint_max: float
    worst: str
    tool_max: dict[str, float]
    subtasks: dict[str, tuple[str, str]]
    seconds: tuple[float, float]

    @property
    def same_subtasks(self) -> bool:
        """Every sub-task ended alike."""
        return all(a == b for a, b in self.subtasks.values())


def compare(first: Path, second: Path, robot: Robot) -> Comparison:
    """Two run folders of the same robot and task. Raises VipaError."""
    kinematics = Kinematics(robot)
    a, b = (_measured(folder, kinematics.joint_names) for folder in (first, second))
    length = min(len(a), len(b))
    shift = min(range(len(SHIFTS_S)), key=lambda i: _rms(_aligned(a, b, round(SHIFTS_S[i] / DT_S), length)))
    x, y = _aligned(a, b, round(SHIFTS_S[shift] / DT_S), length)
    off = np.abs(x - y)
    tools = {
        g.name: max(
            float(np.linalg.norm((kinematics.group(g.name).forward(p[c]) - kinematics.group(g.name).forward(q[c]))[:3]))
            for p, q in zip(x, y)
        )
        for g in robot.arms
        for c in [kinematics.columns[g.name]]
    }
    cards = read_scorecard(first), read_scorecard(second)
    ends = [{s.name: s.status for s in card.subtasks} for card in cards]
    return Comparison(
        float(SHIFTS_S[shift]),
        float(np.sqrt(np.mean(off**2))),
        float(off.max()),
        kinematics.joint_names[int(np.argmax(off.max(axis=0)))],
        tools,
        {name: (status, ends[1].get(name, "absent")) for name, status in ends[0].items()},
        (cards[0].duration_s, cards[1].duration_s),
    )


def _measured(folder: Path, names: tuple[str, ...]) -> np.ndarray:
    """(T, n) measured joints of the episode, DT_S apart from its start on."""
    times, rows = [], []
    with BagReader(Path(folder) / "bag") as bag:
        line = read_timeline(bag)
        for message in bag.messages([JOINT_STATES] if JOINT_STATES in bag.topics else []):
            try:
                at, known = stamp_ns(message.data), list(message.data.name)
                row = np.asarray(message.data.position, float)[[known.index(name) for name in names]]
            except NOT_AS_EXPECTED as error:
                bag.skipped.add(JOINT_STATES, message.log_time_ns, f"not what this topic says ({error})")
                continue
            if line.start_ns <= at <= line.end_ns and (not times or at > times[-1]):
                times.append(at)
                rows.append(row)
    if len(rows) < 2:
        raise VipaError(f"{folder}/bag: no joint states of this robot in the episode")
    since = (np.array(times) - line.start_ns) / 1e9
    grid = np.arange(0.0, since[-1], DT_S)
    return np.stack([np.interp(grid, since, column) for column in np.array(rows).T], axis=1)


def _aligned(a: np.ndarray, b: np.ndarray, shift: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    start, end = max(0, -shift), min(length, length - shift)
    return a[start:end], b[start + shift : end + shift]


def _rms(pair) -> float:
    return float(np.sqrt(np.mean((pair[0] - pair[1]) ** 2)))
