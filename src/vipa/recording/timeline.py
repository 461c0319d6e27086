"""What happened when in an episode, read from its bag alone: sub-tasks, motion modes, clamps, stops. For video and report.

Times named `*_ns` are header stamps, nanoseconds of ROS time.
"""

import math
from dataclasses import dataclass, field

from vipa.motion.chunk import Mode
from vipa.recording.reader import NOT_AS_EXPECTED, BagReader, stamp_ns
from vipa.recording.topic_names import EPISODE_STATUS, MOTION_STATUS, SAFETY_STATUS

STATES = ("pending", "active", "done", "failed")


@dataclass(frozen=True)
class SubTaskState:
    """A sub-task at one moment: status pending|active|done|failed, t_done in seconds (None: not done), progress 0..1."""

    name: str
    status: str
    t_done: float | None = None
    progress: float = 0.0
    evidence: str = ""


@dataclass(frozen=True)
class EpisodeState:
    """An EpisodeStatus: `running` from its start to its end, `elapsed` seconds since its start, `outcome` once known."""

    stamp_ns: int
    running: bool
    elapsed: float
    outcome: str
    subtasks: tuple[SubTaskState, ...]
    task: str = ""
    instruction: str = ""
    commander: str = ""
    cell: str = ""
    robot: str = ""
    variant: str = ""
    seed: int = 0
    detail: str = ""


@dataclass(frozen=True)
class ModeSpan:
    """Motion stayed in `mode` from `start_ns` to `end_ns`."""

    start_ns: int
    end_ns: int
    mode: Mode


@dataclass(frozen=True)
class Timeline:
    """start_ns: when the episode began running; end_ns: its end, or the bag's. states, modes: in order of time.
    clamps, refusals: (stamp_ns, how many more) when their counters grew. stops: (stamp_ns, reasons) of every latched stop.
    jitter_ms: (stamp_ns, p99 of the last second) of the motion step."""

    start_ns: int
    end_ns: int
    states: tuple[EpisodeState, ...] = ()
    modes: tuple[ModeSpan, ...] = ()
    clamps: tuple[tuple[int, int], ...] = ()
    refusals: tuple[tuple[int, int], ...] = ()
    stops: tuple[tuple[int, str], ...] = ()
    jitter_ms: tuple[tuple[int, float], ...] = field(default=(), repr=False)

    @property
    def duration(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9

    def seconds(self, at_ns: int) -> float:
        """Seconds since the episode's start."""
        return (at_ns - self.start_ns) / 1e9

    def state_at(self, at_ns: int) -> EpisodeState | None:
        """The newest state that is not after `at_ns`."""
        return next((s for s in reversed(self.states) if s.stamp_ns <= at_ns), None)

    def mode_at(self, at_ns: int) -> Mode | None:
        return next((m.mode for m in reversed(self.modes) if m.start_ns <= at_ns), None)


def read_timeline(bag: BagReader) -> Timeline:
    """The timeline of the bag's episode. Topics that the bag lacks leave their part empty; messages that say nothing that
    could be are skipped and named in `bag.skipped`."""
    topics = [t for t in (EPISODE_STATUS, MOTION_STATUS, SAFETY_STATUS) if t in bag.topics]
    episode_id = bag.custom_data.get("episode_id", "")
    states: list[EpisodeState] = []
    motion, stops = [], []
    stopped = False
    for message in bag.messages(topics):
        try:
            data, at = message.data, stamp_ns(message.data)
            if message.topic == EPISODE_STATUS:
                # a latched status of the episode before may begin the bag
                if not episode_id or data.episode_id in ("", episode_id):
                    states.append(_state(data, at))
            elif message.topic == MOTION_STATUS:
                motion.append((at, Mode(data.mode), data.clamps, data.refusals, data.jitter_ms_p99))
            else:
                if data.estop and not stopped:
                    stops.append((at, "; ".join(data.stop_reasons)))
                stopped = data.estop
        except NOT_AS_EXPECTED as error:
            bag.skipped.add(message.topic, message.log_time_ns, f"not what this topic says ({error})")
    running = [s for s in states if s.running]
    start = running[0].stamp_ns - round(running[0].elapsed * 1e9) if running else bag.start_ns
    finished = next((s.stamp_ns for s in states if s.outcome), None)
    end = finished if finished is not None else max(bag.end_ns, start)
    return Timeline(
        start_ns=start,
        end_ns=end,
        states=tuple(states),
        modes=_spans([(at, mode) for at, mode, *_ in motion], end),
        clamps=_growth([(at, clamps) for at, _, clamps, _, _ in motion]),
        refusals=_growth([(at, refusals) for at, _, _, refusals, _ in motion]),
        stops=tuple(stops),
        jitter_ms=tuple((at, jitter) for at, *_, jitter in motion),
    )


def _state(data, at: int) -> EpisodeState:
    subtasks = tuple(
        SubTaskState(
            s.name, STATES[s.status], None if math.isnan(s.t_done) else s.t_done, min(max(s.progress, 0), 1), s.evidence
        )
        for s in data.subtasks
    )
    return EpisodeState(
        stamp_ns=at,
        running=data.state == 2,
        elapsed=data.elapsed,
        outcome=data.outcome,
        subtasks=subtasks,
        task=data.task,
        instruction=data.instruction,
        commander=data.commander,
        cell=data.cell,
        robot=data.robot,
        variant=data.variant,
        seed=data.seed,
        detail=data.detail,
    )


def _spans(samples: list[tuple[int, Mode]], end: int) -> tuple[ModeSpan, ...]:
    """Runs of equal modes; each lasts until the next begins."""
    spans: list[ModeSpan] = []
    for at, mode in samples:
        if spans and spans[-1].mode == mode:
            continue
        if spans:
            spans[-1] = ModeSpan(spans[-1].start_ns, at, spans[-1].mode)
        spans.append(ModeSpan(at, max(at, end), mode))
    return tuple(spans)


def _growth(samples: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """(time, increase) wherever a counter grew from one sample to the next."""
    pairs = zip(samples, samples[1:], strict=False)
    return tuple((at, count - before) for (_, before), (at, count) in pairs if count > before)
