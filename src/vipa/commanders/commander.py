"""What every commander is: something that sees the cell and answers with action chunks."""

from dataclasses import dataclass
from typing import Protocol

from vipa.motion.chunk import ActionChunk, MotionStatus
from vipa.robot.state import GroundTruth, GroupState, Observation


@dataclass(frozen=True)
class EpisodeStart:
    """What a commander is told when an episode begins."""

    episode_id: str
    task: str
    instruction: str
    seed: int
    variant: str


@dataclass(frozen=True)
class CommanderInput:
    """What a commander sees at `now_ns`. `observation` only for those that look, `truth` only in a simulated cell."""

    now_ns: int
    groups: dict[str, GroupState]
    status: MotionStatus
    observation: Observation | None = None
    truth: GroundTruth | None = None


class Commander(Protocol):
    """Wants the robot to move. `wants_cameras`: `step` needs an observation. `period`: seconds between steps."""

    commander_id: str
    wants_cameras: bool
    period: float

    def reset(self, start: EpisodeStart) -> None:
        """A new episode begins."""

    def step(self, seen: CommanderInput) -> ActionChunk | None:
        """The next chunk, or None: nothing new (the robot finishes what it has and holds). Raises NoChunk."""
